// swift-format-ignore-file
// Made from docs/openapi.json by scripts/openapi-embed. Change that file, not this one.

/// The description of the HTTP interface (OpenAPI 3.1), as `GET /openapi.json` serves it.
package enum OpenAPIDocument {
    package static let json = Array(text.utf8)

    private static let text = ##"""
{
  "openapi": "3.1.0",
  "info": {
    "title": "Chargefold",
    "version": "1",
    "summary": "Receives the Drive API's Session Event callbacks, and tells the current state of every charging session.",
    "description": "Errors are `application/problem+json` (RFC 9457); switch on `type`. Answers of 1 KiB and more are compressed for clients that accept gzip. Nothing may be stored by caches. Unknown members may be added to every object at any time."
  },
  "servers": [
    {
      "url": "http://127.0.0.1:8080",
      "description": "As `scripts/serve` starts it."
    }
  ],
  "tags": [
    {
      "name": "callbacks",
      "description": "What the Drive API sends."
    },
    {
      "name": "sessions"
    },
    {
      "name": "users"
    },
    {
      "name": "live"
    },
    {
      "name": "gateway",
      "description": "What is passed on to the Drive API, under `/v1` and, as there, under `/drive/v1`."
    },
    {
      "name": "operators",
      "description": "With a token of the scope `admin`, or over the control socket."
    },
    {
      "name": "probes",
      "description": "Open to everybody."
    }
  ],
  "paths": {
    "/webhooks/session-events": {
      "post": {
        "operationId": "receiveSessionEvent",
        "summary": "Takes a Session Event callback of the Drive API",
        "tags": [
          "callbacks"
        ],
        "description": "Answered with 200 only once the event would survive a power cut. How callbacks are verified is a matter of the configuration: by the signature, by agreed headers, by both, or not at all where that is allowed in so many words. An authentic body that is no event is kept in quarantine and answered with 400. Paths that differ only in slashes, in case or in the percent-encoding of unreserved characters are this one; an authentic callback to any other path is kept in quarantine and answered with 404 or 405.",
        "parameters": [
          {
            "name": "X-HMAC-SHA512-SignedAt",
            "in": "header",
            "description": "When the callback was signed: RFC 3339, or Unix seconds or milliseconds. Looked at only where a limit of freshness is configured.",
            "schema": {
              "type": "string"
            },
            "example": "1749725812"
          }
        ],
        "requestBody": {
          "required": true,
          "description": "May be compressed (`Content-Encoding: gzip`).",
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/SessionEvent"
              },
              "examples": {
                "started": {
                  "value": {
                    "event": "SESSION_STARTED",
                    "payload": {
                      "userId": "user1",
                      "sessionId": "L60XMxWy0oP",
                      "timestamp": "2025-06-12T10:56:51Z"
                    }
                  }
                },
                "fee": {
                  "value": {
                    "event": "SESSION_FEE_INCURRING",
                    "payload": {
                      "sessionId": "L60XMxWy0oP",
                      "timestamp": "2025-10-15T08:52:48Z",
                      "feeWillApplyFrom": "2025-10-15T09:02:48Z",
                      "feeType": "BLOCKING"
                    }
                  }
                }
              }
            }
          }
        },
        "security": [
          {
            "callbackSignature": []
          },
          {
            "agreedHeaders": []
          },
          {}
        ],
        "responses": {
          "200": {
            "description": "The event is durable.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Outcome"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "411": {
            "$ref": "#/components/responses/LengthRequired"
          },
          "413": {
            "$ref": "#/components/responses/TooLarge"
          },
          "415": {
            "$ref": "#/components/responses/UnsupportedMediaType"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/sessions/{sessionId}": {
      "parameters": [
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "get": {
        "operationId": "getSession",
        "summary": "The current state of a session",
        "tags": [
          "sessions"
        ],
        "description": "Another user's session is, for a user's token, a session that does not exist.",
        "parameters": [
          {
            "name": "wait",
            "in": "query",
            "description": "Long poll: answers as soon as the version is above `version`, or with 304 at the end of this time, at most 60 s. A number and `ms`, `s` (also where there is no unit), `m` or `h`.",
            "schema": {
              "type": "string",
              "pattern": "^([0-9]{1,4}ms|[0-5]?[0-9]s?|1m)$"
            },
            "example": "30s"
          },
          {
            "name": "version",
            "in": "query",
            "description": "The version that the client has; counts with `wait` only.",
            "schema": {
              "type": "integer",
              "minimum": 0,
              "maximum": 2147483647
            }
          },
          {
            "$ref": "#/components/parameters/IfNoneMatch"
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The session.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Session"
                }
              }
            }
          },
          "304": {
            "description": "The session is as the entity tag says, or has not changed by the end of the wait.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "412": {
            "$ref": "#/components/responses/PreconditionFailed"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "getSessionHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "sessions"
        ],
        "parameters": [
          {
            "name": "wait",
            "in": "query",
            "description": "Long poll: answers as soon as the version is above `version`, or with 304 at the end of this time, at most 60 s. A number and `ms`, `s` (also where there is no unit), `m` or `h`.",
            "schema": {
              "type": "string",
              "pattern": "^([0-9]{1,4}ms|[0-5]?[0-9]s?|1m)$"
            },
            "example": "30s"
          },
          {
            "name": "version",
            "in": "query",
            "description": "The version that the client has; counts with `wait` only.",
            "schema": {
              "type": "integer",
              "minimum": 0,
              "maximum": 2147483647
            }
          },
          {
            "$ref": "#/components/parameters/IfNoneMatch"
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The session.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            }
          },
          "304": {
            "description": "The session is as the entity tag says, or has not changed by the end of the wait.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "404": {
            "$ref": "#/components/responses/NoBody"
          },
          "412": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/sessions/{sessionId}/facts": {
      "parameters": [
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "get": {
        "operationId": "getFacts",
        "summary": "Every fact known of a session, and the one that decided",
        "tags": [
          "sessions"
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The facts, in the order of the fold.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Facts"
                }
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "getFactsHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "sessions"
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The facts, in the order of the fold.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "404": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/sessions/{sessionId}/abandon": {
      "parameters": [
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "post": {
        "operationId": "abandonSession",
        "summary": "The user gives the session up",
        "tags": [
          "sessions"
        ],
        "description": "A fact in the log like any other. It changes no status; later events count as ever.",
        "security": [
          {
            "actToken": []
          },
          {
            "actUserToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The session, abandoned. Saying it again changes nothing.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Session"
                }
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "412": {
            "$ref": "#/components/responses/PreconditionFailed"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/sessions": {
      "get": {
        "operationId": "listAnomalies",
        "summary": "All sessions that have an anomaly now",
        "tags": [
          "sessions"
        ],
        "parameters": [
          {
            "name": "anomaly",
            "in": "query",
            "description": "The anomaly.",
            "schema": {
              "$ref": "#/components/schemas/AnomalyCode"
            },
            "required": true
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Sessions in a page.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 500,
              "default": 50
            }
          },
          {
            "name": "cursor",
            "in": "query",
            "description": "From the page before.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Page"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "listAnomaliesHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "sessions"
        ],
        "parameters": [
          {
            "name": "anomaly",
            "in": "query",
            "description": "The anomaly.",
            "schema": {
              "$ref": "#/components/schemas/AnomalyCode"
            },
            "required": true
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Sessions in a page.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 500,
              "default": 50
            }
          },
          {
            "name": "cursor",
            "in": "query",
            "description": "From the page before.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/users/{userId}/sessions": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        }
      ],
      "get": {
        "operationId": "listUserSessions",
        "summary": "A user's sessions, the latest first",
        "tags": [
          "users"
        ],
        "parameters": [
          {
            "name": "status",
            "in": "query",
            "description": "Statuses, with commas between; `*` for all. `COMPLETE` without it.",
            "schema": {
              "type": "string"
            },
            "example": "COMPLETE,STOPPED"
          },
          {
            "name": "from",
            "in": "query",
            "description": "Sessions that started then or later.",
            "schema": {
              "anyOf": [
                {
                  "type": "string",
                  "format": "date-time"
                },
                {
                  "const": "",
                  "description": "The same as nothing."
                }
              ]
            }
          },
          {
            "name": "to",
            "in": "query",
            "description": "Sessions that started then or earlier.",
            "schema": {
              "anyOf": [
                {
                  "type": "string",
                  "format": "date-time"
                },
                {
                  "const": "",
                  "description": "The same as nothing."
                }
              ]
            }
          },
          {
            "name": "chargingKeyId",
            "in": "query",
            "description": "Sessions of that charging key only.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Sessions in a page.",
            "schema": {
              "anyOf": [
                {
                  "type": "integer",
                  "minimum": 1,
                  "maximum": 500,
                  "default": 50
                },
                {
                  "const": "",
                  "description": "The same as nothing."
                }
              ]
            }
          },
          {
            "name": "cursor",
            "in": "query",
            "description": "From the page before.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page; without `cursor` it is the last one.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Page"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "listUserSessionsHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "users"
        ],
        "parameters": [
          {
            "name": "status",
            "in": "query",
            "description": "Statuses, with commas between; `*` for all. `COMPLETE` without it.",
            "schema": {
              "type": "string"
            },
            "example": "COMPLETE,STOPPED"
          },
          {
            "name": "from",
            "in": "query",
            "description": "Sessions that started then or later.",
            "schema": {
              "anyOf": [
                {
                  "type": "string",
                  "format": "date-time"
                },
                {
                  "const": "",
                  "description": "The same as nothing."
                }
              ]
            }
          },
          {
            "name": "to",
            "in": "query",
            "description": "Sessions that started then or earlier.",
            "schema": {
              "anyOf": [
                {
                  "type": "string",
                  "format": "date-time"
                },
                {
                  "const": "",
                  "description": "The same as nothing."
                }
              ]
            }
          },
          {
            "name": "chargingKeyId",
            "in": "query",
            "description": "Sessions of that charging key only.",
            "schema": {
              "type": "string"
            }
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Sessions in a page.",
            "schema": {
              "anyOf": [
                {
                  "type": "integer",
                  "minimum": 1,
                  "maximum": 500,
                  "default": 50
                },
                {
                  "const": "",
                  "description": "The same as nothing."
                }
              ]
            }
          },
          {
            "name": "cursor",
            "in": "query",
            "description": "From the page before.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page; without `cursor` it is the last one.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/users/{userId}/sessions/history": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        }
      ],
      "post": {
        "operationId": "userHistory",
        "summary": "A user's sessions, as the Drive API is asked for them",
        "tags": [
          "users"
        ],
        "requestBody": {
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/HistoryRequest"
              }
            }
          }
        },
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page; without `cursor` it is the last one.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Page"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "413": {
            "$ref": "#/components/responses/TooLarge"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/users/{userId}/sessions/active": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        }
      ],
      "get": {
        "operationId": "listActiveSessions",
        "summary": "What a user has going on now, the latest first",
        "tags": [
          "users"
        ],
        "parameters": [
          {
            "name": "limit",
            "in": "query",
            "description": "Sessions in a page.",
            "schema": {
              "anyOf": [
                {
                  "type": "integer",
                  "minimum": 1,
                  "maximum": 500,
                  "default": 50
                },
                {
                  "const": "",
                  "description": "The same as nothing."
                }
              ]
            }
          },
          {
            "name": "cursor",
            "in": "query",
            "description": "From the page before.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Page"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "listActiveSessionsHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "users"
        ],
        "parameters": [
          {
            "name": "limit",
            "in": "query",
            "description": "Sessions in a page.",
            "schema": {
              "anyOf": [
                {
                  "type": "integer",
                  "minimum": 1,
                  "maximum": 500,
                  "default": 50
                },
                {
                  "const": "",
                  "description": "The same as nothing."
                }
              ]
            }
          },
          {
            "name": "cursor",
            "in": "query",
            "description": "From the page before.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/users/{userId}/sessions/{sessionId}": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        },
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "get": {
        "operationId": "getUserSession",
        "summary": "A session, if it is this user's",
        "tags": [
          "users"
        ],
        "parameters": [
          {
            "name": "wait",
            "in": "query",
            "description": "Long poll: answers as soon as the version is above `version`, or with 304 at the end of this time, at most 60 s. A number and `ms`, `s` (also where there is no unit), `m` or `h`.",
            "schema": {
              "type": "string",
              "pattern": "^([0-9]{1,4}ms|[0-5]?[0-9]s?|1m)$"
            },
            "example": "30s"
          },
          {
            "name": "version",
            "in": "query",
            "description": "The version that the client has; counts with `wait` only.",
            "schema": {
              "type": "integer",
              "minimum": 0,
              "maximum": 2147483647
            }
          },
          {
            "$ref": "#/components/parameters/IfNoneMatch"
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The session.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Session"
                }
              }
            }
          },
          "304": {
            "description": "The session is as the entity tag says, or has not changed by the end of the wait.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "412": {
            "$ref": "#/components/responses/PreconditionFailed"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "getUserSessionHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "users"
        ],
        "parameters": [
          {
            "name": "wait",
            "in": "query",
            "description": "Long poll: answers as soon as the version is above `version`, or with 304 at the end of this time, at most 60 s. A number and `ms`, `s` (also where there is no unit), `m` or `h`.",
            "schema": {
              "type": "string",
              "pattern": "^([0-9]{1,4}ms|[0-5]?[0-9]s?|1m)$"
            },
            "example": "30s"
          },
          {
            "name": "version",
            "in": "query",
            "description": "The version that the client has; counts with `wait` only.",
            "schema": {
              "type": "integer",
              "minimum": 0,
              "maximum": 2147483647
            }
          },
          {
            "$ref": "#/components/parameters/IfNoneMatch"
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The session.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            }
          },
          "304": {
            "description": "The session is as the entity tag says, or has not changed by the end of the wait.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "ETag": {
                "$ref": "#/components/headers/EntityTag"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "404": {
            "$ref": "#/components/responses/NoBody"
          },
          "412": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/sessions/{sessionId}/events": {
      "parameters": [
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "get": {
        "operationId": "streamSession",
        "summary": "The changes of a session, live",
        "tags": [
          "live"
        ],
        "parameters": [
          {
            "$ref": "#/components/parameters/LastEventId"
          },
          {
            "name": "lastEventId",
            "in": "query",
            "description": "The same, for clients that can't set the header.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Server-Sent Events, until either side ends them. `id` is what `Last-Event-ID` takes; a comment comes every 15 s; a reader that is too slow is cut off and can resume.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "text/event-stream": {
                "schema": {
                  "type": "string",
                  "description": "Events named `status`, `fee`, `fact`, `effective-status` and `fee-applies`, each with a `LiveEvent` as data; `reset` where the log no longer reaches back to `Last-Event-ID`."
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "streamSessionHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "live"
        ],
        "parameters": [
          {
            "$ref": "#/components/parameters/LastEventId"
          },
          {
            "name": "lastEventId",
            "in": "query",
            "description": "The same, for clients that can't set the header.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Server-Sent Events, until either side ends them. `id` is what `Last-Event-ID` takes; a comment comes every 15 s; a reader that is too slow is cut off and can resume.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "404": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/users/{userId}/events": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        }
      ],
      "get": {
        "operationId": "streamUser",
        "summary": "The changes of a user's sessions, live",
        "tags": [
          "live"
        ],
        "parameters": [
          {
            "$ref": "#/components/parameters/LastEventId"
          },
          {
            "name": "lastEventId",
            "in": "query",
            "description": "The same, for clients that can't set the header.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Server-Sent Events, until either side ends them. `id` is what `Last-Event-ID` takes; a comment comes every 15 s; a reader that is too slow is cut off and can resume.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "text/event-stream": {
                "schema": {
                  "type": "string",
                  "description": "Events named `status`, `fee`, `fact`, `effective-status` and `fee-applies`, each with a `LiveEvent` as data; `reset` where the log no longer reaches back to `Last-Event-ID`."
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "streamUserHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "live"
        ],
        "parameters": [
          {
            "$ref": "#/components/parameters/LastEventId"
          },
          {
            "name": "lastEventId",
            "in": "query",
            "description": "The same, for clients that can't set the header.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Server-Sent Events, until either side ends them. `id` is what `Last-Event-ID` takes; a comment comes every 15 s; a reader that is too slow is cut off and can resume.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/events": {
      "get": {
        "operationId": "streamEverything",
        "summary": "The changes of all sessions, live",
        "tags": [
          "live"
        ],
        "parameters": [
          {
            "$ref": "#/components/parameters/LastEventId"
          },
          {
            "name": "lastEventId",
            "in": "query",
            "description": "The same, for clients that can't set the header.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Server-Sent Events, until either side ends them. `id` is what `Last-Event-ID` takes; a comment comes every 15 s; a reader that is too slow is cut off and can resume.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "text/event-stream": {
                "schema": {
                  "type": "string",
                  "description": "Events named `status`, `fee`, `fact`, `effective-status` and `fee-applies`, each with a `LiveEvent` as data; `reset` where the log no longer reaches back to `Last-Event-ID`."
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "streamEverythingHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "live"
        ],
        "parameters": [
          {
            "$ref": "#/components/parameters/LastEventId"
          },
          {
            "name": "lastEventId",
            "in": "query",
            "description": "The same, for clients that can't set the header.",
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Server-Sent Events, until either side ends them. `id` is what `Last-Event-ID` takes; a comment comes every 15 s; a reader that is too slow is cut off and can resume.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/fees": {
      "get": {
        "operationId": "listFees",
        "summary": "Fees that begin to apply soon, the soonest first",
        "tags": [
          "sessions"
        ],
        "parameters": [
          {
            "name": "dueWithin",
            "in": "query",
            "description": "At most 744h. A number and `ms`, `s` (also where there is no unit), `m` or `h`.",
            "schema": {
              "type": "string",
              "pattern": "^([0-9]{1,6}(ms|s)?|[0-9]{1,4}m|[0-9]{1,2}h)$",
              "default": "10m"
            }
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Sessions in a page.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 500,
              "default": 50
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The fees of sessions that have not ended.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Fees"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "listFeesHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "sessions"
        ],
        "parameters": [
          {
            "name": "dueWithin",
            "in": "query",
            "description": "At most 744h. A number and `ms`, `s` (also where there is no unit), `m` or `h`.",
            "schema": {
              "type": "string",
              "pattern": "^([0-9]{1,6}(ms|s)?|[0-9]{1,4}m|[0-9]{1,2}h)$",
              "default": "10m"
            }
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Sessions in a page.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 500,
              "default": 50
            }
          }
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The fees of sessions that have not ended.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/tokens": {
      "post": {
        "operationId": "mintToken",
        "summary": "A short-lived token for one user's sessions",
        "tags": [
          "operators"
        ],
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/TokenRequest"
              },
              "example": {
                "userId": "user1",
                "ttlSeconds": 900
              }
            }
          }
        },
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "201": {
            "description": "The token. It is stored nowhere.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/MintedToken"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "413": {
            "$ref": "#/components/responses/TooLarge"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/users/{userId}": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        }
      ],
      "delete": {
        "operationId": "eraseUser",
        "summary": "Removes a user from everything that is stored",
        "tags": [
          "operators"
        ],
        "description": "The answer comes when it is done. 503 means that it goes on by itself, over a restart too; asking again is harmless.",
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Nothing of the user is left in any file. The same answer where there was nothing.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/Erasure"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/quarantine": {
      "get": {
        "operationId": "listQuarantine",
        "summary": "The bodies in quarantine",
        "tags": [
          "operators"
        ],
        "parameters": [
          {
            "name": "after",
            "in": "query",
            "description": "Entries with greater ids only.",
            "schema": {
              "type": "integer",
              "minimum": 0,
              "maximum": 9223372036854775807,
              "default": 0
            }
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Entries in a page.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 500,
              "default": 100
            }
          }
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page; `after` leads to the next one.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "entries": {
                      "type": "array",
                      "items": {
                        "$ref": "#/components/schemas/QuarantineEntry"
                      }
                    },
                    "after": {
                      "type": "integer",
                      "minimum": 0
                    }
                  },
                  "required": [
                    "entries"
                  ]
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "listQuarantineHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "operators"
        ],
        "parameters": [
          {
            "name": "after",
            "in": "query",
            "description": "Entries with greater ids only.",
            "schema": {
              "type": "integer",
              "minimum": 0,
              "maximum": 9223372036854775807,
              "default": 0
            }
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Entries in a page.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 500,
              "default": 100
            }
          }
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "A page; `after` leads to the next one.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/quarantine/{id}": {
      "parameters": [
        {
          "$ref": "#/components/parameters/QuarantineId"
        }
      ],
      "get": {
        "operationId": "getQuarantined",
        "summary": "One entry, with its body",
        "tags": [
          "operators"
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The entry.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/QuarantineEntry"
                }
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "getQuarantinedHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "operators"
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The entry.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "404": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      },
      "delete": {
        "operationId": "dropQuarantined",
        "summary": "Drops an entry",
        "tags": [
          "operators"
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "204": {
            "description": "It is gone.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/quarantine/retry": {
      "post": {
        "operationId": "retryQuarantine",
        "summary": "Feeds entries in again",
        "tags": [
          "operators"
        ],
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "$ref": "#/components/schemas/QuarantineSelection"
              }
            }
          }
        },
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "What became of each.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "results": {
                      "type": "array",
                      "items": {
                        "$ref": "#/components/schemas/RetryResult"
                      }
                    }
                  },
                  "required": [
                    "results"
                  ]
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "413": {
            "$ref": "#/components/responses/TooLarge"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/quarantine/{id}/retry": {
      "parameters": [
        {
          "$ref": "#/components/parameters/QuarantineId"
        }
      ],
      "post": {
        "operationId": "retryQuarantined",
        "summary": "Feeds one entry in again",
        "tags": [
          "operators"
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "It is in the log.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "$ref": "#/components/schemas/RetryResult"
                }
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "422": {
            "$ref": "#/components/responses/Unprocessable"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/log": {
      "get": {
        "operationId": "readLog",
        "summary": "The log, streamed",
        "tags": [
          "operators"
        ],
        "parameters": [
          {
            "name": "from",
            "in": "query",
            "description": "The first position.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 9223372036854775807,
              "default": 1
            }
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Deliveries at most.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 9223372036854775807
            }
          }
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "One delivery a line. Chunked; a stream that breaks off ends without its last chunk.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "Vary": {
                "schema": {
                  "type": "string"
                }
              }
            },
            "content": {
              "application/x-ndjson": {
                "schema": {
                  "type": "string",
                  "description": "Lines of `LogLine`."
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "readLogHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "operators"
        ],
        "parameters": [
          {
            "name": "from",
            "in": "query",
            "description": "The first position.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 9223372036854775807,
              "default": 1
            }
          },
          {
            "name": "limit",
            "in": "query",
            "description": "Deliveries at most.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 9223372036854775807
            }
          }
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "One delivery a line. Chunked; a stream that breaks off ends without its last chunk.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              },
              "Vary": {
                "schema": {
                  "type": "string"
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/healthz": {
      "get": {
        "operationId": "health",
        "summary": "Whether the process is alive",
        "tags": [
          "probes"
        ],
        "security": [],
        "responses": {
          "200": {
            "description": "It is.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "status": {
                      "const": "ok"
                    }
                  },
                  "required": [
                    "status"
                  ]
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "healthHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "probes"
        ],
        "security": [],
        "responses": {
          "200": {
            "description": "It is.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/readyz": {
      "get": {
        "operationId": "ready",
        "summary": "Whether a callback sent now could be made durable",
        "tags": [
          "probes"
        ],
        "security": [],
        "responses": {
          "200": {
            "description": "It could.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "status": {
                      "const": "ready"
                    },
                    "sessions": {
                      "const": "catching-up",
                      "description": "There while sessions are made again from the log: callbacks are taken, queries are answered 503."
                    }
                  },
                  "required": [
                    "status"
                  ]
                }
              }
            }
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "readyHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "probes"
        ],
        "security": [],
        "responses": {
          "200": {
            "description": "It could.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/metrics": {
      "get": {
        "operationId": "metrics",
        "summary": "Figures in Prometheus' text format",
        "tags": [
          "probes"
        ],
        "security": [],
        "responses": {
          "200": {
            "description": "The figures.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "text/plain": {
                "schema": {
                  "type": "string"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "metricsHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "probes"
        ],
        "security": [],
        "responses": {
          "200": {
            "description": "The figures.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/openapi.json": {
      "get": {
        "operationId": "openAPI",
        "summary": "This document",
        "tags": [
          "probes"
        ],
        "security": [],
        "responses": {
          "200": {
            "description": "The document.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object"
                }
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "openAPIHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "probes"
        ],
        "security": [],
        "responses": {
          "200": {
            "description": "The document.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/users/{userId}/sessions/start": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        }
      ],
      "post": {
        "operationId": "startSession",
        "summary": "Starts a session",
        "tags": [
          "gateway"
        ],
        "description": "In the Drive API's own shapes; its other statuses are passed on.",
        "parameters": [
          {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "1 to 255 visible ASCII characters: the same request with the same key is passed on once.",
            "schema": {
              "type": "string",
              "minLength": 1,
              "maxLength": 255,
              "pattern": "^[!-~]+$"
            }
          }
        ],
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "properties": {
                  "connectorId": {
                    "type": "string"
                  }
                },
                "required": [
                  "connectorId"
                ]
              },
              "example": {
                "connectorId": "abcJd/vR5fvzBa0X/gxaXA=="
              }
            }
          }
        },
        "security": [
          {
            "actToken": []
          },
          {
            "actUserToken": []
          },
          {
            "adminToken": []
          },
          {
            "apiKey": []
          }
        ],
        "responses": {
          "200": {
            "description": "What the Drive API answered.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {}
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "422": {
            "$ref": "#/components/responses/Unprocessable"
          },
          "501": {
            "$ref": "#/components/responses/NotConfigured"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "504": {
            "$ref": "#/components/responses/BadGateway"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/users/{userId}/sessions/{sessionId}/stop": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        },
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "post": {
        "operationId": "stopSession",
        "summary": "Stops a session",
        "tags": [
          "gateway"
        ],
        "description": "In the Drive API's own shapes; its other statuses are passed on.",
        "security": [
          {
            "actToken": []
          },
          {
            "actUserToken": []
          },
          {
            "adminToken": []
          },
          {
            "apiKey": []
          }
        ],
        "responses": {
          "200": {
            "description": "What the Drive API answered.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {}
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "422": {
            "$ref": "#/components/responses/Unprocessable"
          },
          "501": {
            "$ref": "#/components/responses/NotConfigured"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "504": {
            "$ref": "#/components/responses/BadGateway"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/users/{userId}/sessions/{sessionId}/receipt": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        },
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "get": {
        "operationId": "getReceipt",
        "summary": "Where the receipt is",
        "tags": [
          "gateway"
        ],
        "description": "In the Drive API's own shapes; its other statuses are passed on.",
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          },
          {
            "apiKey": []
          }
        ],
        "responses": {
          "200": {
            "description": "What the Drive API answered.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {}
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "422": {
            "$ref": "#/components/responses/Unprocessable"
          },
          "501": {
            "$ref": "#/components/responses/NotConfigured"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "504": {
            "$ref": "#/components/responses/BadGateway"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "getReceiptHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "gateway"
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          },
          {
            "apiKey": []
          }
        ],
        "responses": {
          "200": {
            "description": "What the Drive API answered.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "404": {
            "$ref": "#/components/responses/NoBody"
          },
          "409": {
            "$ref": "#/components/responses/NoBody"
          },
          "422": {
            "$ref": "#/components/responses/NoBody"
          },
          "501": {
            "$ref": "#/components/responses/NoBody"
          },
          "502": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "504": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/users/{userId}/sessions/{sessionId}/retry-payment": {
      "parameters": [
        {
          "$ref": "#/components/parameters/UserId"
        },
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "post": {
        "operationId": "retryPayment",
        "summary": "Tries to take a payment again",
        "tags": [
          "gateway"
        ],
        "description": "In the Drive API's own shapes; its other statuses are passed on.",
        "security": [
          {
            "actToken": []
          },
          {
            "actUserToken": []
          },
          {
            "adminToken": []
          },
          {
            "apiKey": []
          }
        ],
        "responses": {
          "200": {
            "description": "What the Drive API answered.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {}
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "409": {
            "$ref": "#/components/responses/Conflict"
          },
          "422": {
            "$ref": "#/components/responses/Unprocessable"
          },
          "501": {
            "$ref": "#/components/responses/NotConfigured"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "504": {
            "$ref": "#/components/responses/BadGateway"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/webhooks/cdrs": {
      "post": {
        "operationId": "receiveChargeDetailRecord",
        "summary": "Takes a charge detail record",
        "tags": [
          "callbacks"
        ],
        "description": "Kept verbatim. `sessionId` may also be `session_id`, or `id` within `session`. A request id, or something of a record's content, is needed as well.",
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object"
              },
              "example": {
                "requestId": "r1",
                "sessionId": "L60XMxWy0oP",
                "userId": "user1"
              }
            }
          }
        },
        "security": [
          {
            "callbackSignature": []
          },
          {
            "agreedHeaders": []
          },
          {}
        ],
        "responses": {
          "200": {
            "description": "The record is durable; also for a repeat.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "outcome": {
                      "enum": [
                        "accepted",
                        "duplicate"
                      ]
                    },
                    "requestId": {
                      "type": "string"
                    },
                    "sessionId": {
                      "type": "string"
                    },
                    "unreadTimes": {
                      "type": "array",
                      "description": "Members with times that are no OCPI date-times: kept verbatim, and not read.",
                      "items": {
                        "type": "string"
                      }
                    }
                  },
                  "required": [
                    "outcome",
                    "sessionId"
                  ]
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "411": {
            "$ref": "#/components/responses/LengthRequired"
          },
          "413": {
            "$ref": "#/components/responses/TooLarge"
          },
          "500": {
            "$ref": "#/components/responses/NotDurable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    },
    "/v1/sessions/{sessionId}/cdr": {
      "parameters": [
        {
          "$ref": "#/components/parameters/SessionId"
        }
      ],
      "get": {
        "operationId": "getChargeDetailRecords",
        "summary": "A session's charge detail records",
        "tags": [
          "sessions"
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Each as it came.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "sessionId": {
                      "type": "string"
                    },
                    "records": {
                      "type": "array",
                      "items": {
                        "type": "object",
                        "properties": {
                          "requestId": {
                            "type": "string"
                          },
                          "receivedAt": {
                            "type": "string",
                            "format": "date-time"
                          },
                          "deliveries": {
                            "type": "integer",
                            "minimum": 1
                          },
                          "variants": {
                            "type": "integer",
                            "minimum": 0
                          },
                          "unreadTimes": {
                            "type": "array",
                            "description": "Members with times that are no OCPI date-times: kept verbatim, and not read.",
                            "items": {
                              "type": "string"
                            }
                          },
                          "record": {
                            "description": "Verbatim."
                          }
                        },
                        "required": [
                          "receivedAt",
                          "deliveries"
                        ]
                      }
                    }
                  },
                  "required": [
                    "sessionId",
                    "records"
                  ]
                }
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "404": {
            "$ref": "#/components/responses/NotFound"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "getChargeDetailRecordsHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "sessions"
        ],
        "security": [
          {
            "readToken": []
          },
          {
            "userToken": []
          },
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "Each as it came.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "404": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/downtime": {
      "get": {
        "operationId": "listDowntime",
        "summary": "Times in which callbacks could not be accepted",
        "tags": [
          "operators"
        ],
        "parameters": [
          {
            "name": "limit",
            "in": "query",
            "description": "Downtimes at most.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000,
              "default": 20
            }
          },
          {
            "name": "sessions",
            "in": "query",
            "description": "Sessions of each at most.",
            "schema": {
              "type": "integer",
              "minimum": 0,
              "maximum": 10000,
              "default": 100
            }
          },
          {
            "name": "id",
            "in": "query",
            "description": "That one only.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 9223372036854775807
            }
          }
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The newest first, with the sessions that may have missed events.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "downtimes": {
                      "type": "array",
                      "items": {
                        "type": "object",
                        "properties": {
                          "id": {
                            "type": "integer"
                          },
                          "from": {
                            "type": "string",
                            "format": "date-time"
                          },
                          "to": {
                            "type": "string",
                            "format": "date-time"
                          },
                          "seconds": {
                            "type": "number"
                          },
                          "cause": {
                            "type": "string"
                          },
                          "sessions": {
                            "type": "object",
                            "properties": {
                              "searched": {
                                "type": "boolean"
                              },
                              "truncated": {
                                "type": "boolean"
                              },
                              "affected": {
                                "type": "integer",
                                "minimum": 0
                              },
                              "reconciled": {
                                "type": "integer",
                                "minimum": 0
                              },
                              "list": {
                                "type": "array",
                                "items": {
                                  "type": "object",
                                  "properties": {
                                    "sessionId": {
                                      "type": "string"
                                    },
                                    "reconciledAt": {
                                      "type": "string",
                                      "format": "date-time"
                                    }
                                  },
                                  "required": [
                                    "sessionId"
                                  ]
                                }
                              }
                            },
                            "required": [
                              "searched",
                              "affected",
                              "reconciled",
                              "list"
                            ]
                          }
                        },
                        "required": [
                          "id",
                          "from",
                          "to",
                          "seconds",
                          "cause",
                          "sessions"
                        ]
                      }
                    }
                  },
                  "required": [
                    "downtimes"
                  ]
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      },
      "head": {
        "operationId": "listDowntimeHead",
        "summary": "The fields of the answer to GET, without its body",
        "tags": [
          "operators"
        ],
        "parameters": [
          {
            "name": "limit",
            "in": "query",
            "description": "Downtimes at most.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000,
              "default": 20
            }
          },
          {
            "name": "sessions",
            "in": "query",
            "description": "Sessions of each at most.",
            "schema": {
              "type": "integer",
              "minimum": 0,
              "maximum": 10000,
              "default": 100
            }
          },
          {
            "name": "id",
            "in": "query",
            "description": "That one only.",
            "schema": {
              "type": "integer",
              "minimum": 1,
              "maximum": 9223372036854775807
            }
          }
        ],
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "The newest first, with the sessions that may have missed events.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/NoBody"
          },
          "401": {
            "$ref": "#/components/responses/NoBody"
          },
          "403": {
            "$ref": "#/components/responses/NoBody"
          },
          "503": {
            "$ref": "#/components/responses/NoBody"
          },
          "default": {
            "$ref": "#/components/responses/NoBody"
          }
        }
      }
    },
    "/v1/backfill": {
      "post": {
        "operationId": "backfill",
        "summary": "Reads a page of a user's history from the Drive API",
        "tags": [
          "operators"
        ],
        "requestBody": {
          "required": true,
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "properties": {
                  "userId": {
                    "type": "string",
                    "minLength": 1
                  },
                  "from": {
                    "type": [
                      "string",
                      "null"
                    ],
                    "format": "date-time"
                  },
                  "to": {
                    "type": [
                      "string",
                      "null"
                    ],
                    "format": "date-time"
                  },
                  "cursor": {
                    "type": "string"
                  }
                },
                "required": [
                  "userId"
                ]
              }
            }
          }
        },
        "security": [
          {
            "adminToken": []
          }
        ],
        "responses": {
          "200": {
            "description": "`cursor` leads to the next page.",
            "headers": {
              "Cache-Control": {
                "$ref": "#/components/headers/NoStore"
              }
            },
            "content": {
              "application/json": {
                "schema": {
                  "type": "object",
                  "properties": {
                    "sessions": {
                      "type": "integer",
                      "minimum": 0
                    },
                    "news": {
                      "type": "integer",
                      "minimum": 0
                    },
                    "unusable": {
                      "type": "integer",
                      "minimum": 0
                    },
                    "cursor": {
                      "type": "string"
                    }
                  },
                  "required": [
                    "sessions",
                    "news",
                    "unusable"
                  ]
                }
              }
            }
          },
          "400": {
            "$ref": "#/components/responses/BadRequest"
          },
          "401": {
            "$ref": "#/components/responses/Unauthorized"
          },
          "403": {
            "$ref": "#/components/responses/Forbidden"
          },
          "501": {
            "$ref": "#/components/responses/NotConfigured"
          },
          "502": {
            "$ref": "#/components/responses/BadGateway"
          },
          "503": {
            "$ref": "#/components/responses/Unavailable"
          },
          "504": {
            "$ref": "#/components/responses/BadGateway"
          },
          "default": {
            "$ref": "#/components/responses/Problem"
          }
        }
      }
    }
  },
  "components": {
    "securitySchemes": {
      "readToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the configuration with the scope `read` (or `act`): everybody's sessions. Not needed where anonymous reads are allowed."
      },
      "userToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token with the scope `read:user:<id>` (or `act:user:<id>`), from the configuration or minted by `POST /v1/tokens`: that user's sessions."
      },
      "actToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the configuration with the scope `act`: what `read` opens, and start, stop, payment and abandoning for everybody. `api.token` is one."
      },
      "actUserToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token with the scope `act:user:<id>`, from the configuration or minted by `POST /v1/tokens`: the same for that user."
      },
      "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "Any token, for apps that were written for the Drive API."
      },
      "adminToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of the configuration with the scope `admin`."
      },
      "callbackSignature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-HMAC-SHA512-Signature",
        "description": "base64 of HMAC-SHA512 over the raw body, under the CURRENT or the NEXT secret."
      },
      "agreedHeaders": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Whatever headers were agreed with the Drive API."
      }
    },
    "headers": {
      "NoStore": {
        "description": "Always.",
        "schema": {
          "const": "no-store"
        }
      },
      "EntityTag": {
        "description": "Weak.",
        "schema": {
          "type": "string",
          "pattern": "^W/\".+\"$"
        }
      }
    },
    "parameters": {
      "SessionId": {
        "name": "sessionId",
        "in": "path",
        "required": true,
        "schema": {
          "type": "string",
          "minLength": 1
        },
        "example": "L60XMxWy0oP"
      },
      "UserId": {
        "name": "userId",
        "in": "path",
        "required": true,
        "schema": {
          "type": "string",
          "minLength": 1
        },
        "example": "user1"
      },
      "QuarantineId": {
        "name": "id",
        "in": "path",
        "required": true,
        "schema": {
          "type": "integer",
          "minimum": 1,
          "maximum": 9223372036854775807
        }
      },
      "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "An entity tag from before.",
        "schema": {
          "type": "string"
        }
      },
      "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The id of the last event that was seen: the stream goes on behind it.",
        "schema": {
          "type": "string"
        }
      }
    },
    "responses": {
      "BadRequest": {
        "description": "The request is not valid. `type` ends in `invalid-event`, `malformed-content-coding`, `malformed-path`, `malformed-query`, `malformed-selection`, `malformed-token-request`, `malformed-history-request`, `invalid-cursor`, `malformed-event-id`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "Unauthorized": {
        "description": "No credentials, or not ours. `type` ends in `missing-token`, `wrong-token`, `expired-token`, `missing-credentials`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          },
          "WWW-Authenticate": {
            "schema": {
              "type": "string"
            },
            "description": "RFC 6750 section 3."
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "Forbidden": {
        "description": "Not with these credentials. `type` ends in `insufficient-scope`, `api-closed`, `wrong-credentials`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "NotFound": {
        "description": "There is no such thing, or it is not for this token. `type` ends in `not-found`, `session-not-found`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "LengthRequired": {
        "description": "The callback has no body. `type` ends in `length-required`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "TooLarge": {
        "description": "The body is too large. `type` ends in `body-too-large`, `http-body-too-large`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "UnsupportedMediaType": {
        "description": "Not JSON, or a content coding that is not known. `type` ends in `unsupported-media-type`, `unsupported-content-coding`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "Unavailable": {
        "description": "Not now. `type` ends in `overloaded`, `store-unavailable`, `store-unreadable`, `erasure-unfinished`, `not-ready`, `too-many-streams`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          },
          "Retry-After": {
            "schema": {
              "type": "string",
              "pattern": "^[0-9]+$"
            },
            "description": "Seconds."
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "Problem": {
        "description": "Whatever else can go wrong, such as 405 (`method-not-allowed`, with `Allow`) and what is no acceptable HTTP (`http-…`: 400, 408, 413, 414, 417, 431, 501, 503, 505).",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "NoBody": {
        "description": "What GET would answer, without the problem.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        }
      },
      "Conflict": {
        "description": "Not as things stand. `type` ends in `session-ended`, `connector-cooldown`, `idempotency-in-flight`, `idempotency-outcome-unknown`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "PreconditionFailed": {
        "description": "`If-Match` is not `*`: the entity tags of sessions are weak, and never match there. `type` ends in `precondition-failed`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "NotConfigured": {
        "description": "No Drive API key is configured. `type` ends in `drive-api-not-configured`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "BadGateway": {
        "description": "The Drive API has failed, or not answered.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          },
          "Retry-After": {
            "schema": {
              "type": "string",
              "pattern": "^[0-9]+$"
            },
            "description": "Seconds."
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "NotDurable": {
        "description": "The record can't be made durable now; it will be sent again.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      },
      "Unprocessable": {
        "description": "Still refused, or a key that was used otherwise. `type` ends in `quarantine-still-refused`, `idempotency-key-reused`.",
        "headers": {
          "Cache-Control": {
            "$ref": "#/components/headers/NoStore"
          }
        },
        "content": {
          "application/problem+json": {
            "schema": {
              "$ref": "#/components/schemas/Problem"
            }
          }
        }
      }
    },
    "schemas": {
      "Action": {
        "type": "object",
        "properties": {
          "allowed": {
            "type": "boolean"
          },
          "reason": {
            "type": "string",
            "description": "A stable code, such as `COOLDOWN` or `STOP_CAN_BE_RETRIED`."
          },
          "notBefore": {
            "type": "string",
            "format": "date-time",
            "description": "Where it is not allowed yet: when it will be."
          },
          "connectorId": {
            "type": "string",
            "description": "Where the cooldown is."
          }
        },
        "required": [
          "allowed",
          "reason"
        ]
      },
      "AnomalyCode": {
        "enum": [
          "STARTED_MISSING",
          "STOPPED_MISSING",
          "REVIVED_AFTER_FAILURE",
          "USER_ID_CONFLICT",
          "STARTED_TOO_LONG",
          "TIMESTAMP_IN_FUTURE"
        ]
      },
      "Erasure": {
        "type": "object",
        "properties": {
          "sessionsRemoved": {
            "type": "integer",
            "minimum": 0
          },
          "sessionsKept": {
            "type": "integer",
            "minimum": 0,
            "description": "Sessions that name another user too: they stay, without this one."
          },
          "deliveriesRemoved": {
            "type": "integer",
            "minimum": 0
          },
          "deliveriesRedacted": {
            "type": "integer",
            "minimum": 0
          },
          "quarantinedRemoved": {
            "type": "integer",
            "minimum": 0
          }
        },
        "required": [
          "sessionsRemoved",
          "sessionsKept",
          "deliveriesRemoved",
          "deliveriesRedacted",
          "quarantinedRemoved"
        ]
      },
      "Fact": {
        "type": "object",
        "properties": {
          "event": {
            "type": "string"
          },
          "status": {
            "$ref": "#/components/schemas/SessionStatus"
          },
          "source": {
            "$ref": "#/components/schemas/Source"
          },
          "timestamp": {
            "type": "string",
            "format": "date-time"
          },
          "receivedAt": {
            "type": "string",
            "format": "date-time"
          },
          "deliveries": {
            "type": "integer",
            "minimum": 1
          },
          "payload": {
            "type": "object"
          },
          "position": {
            "type": "integer",
            "minimum": 1
          },
          "decided": {
            "type": "boolean"
          },
          "reason": {
            "type": "string"
          },
          "explanation": {
            "type": "string"
          }
        },
        "required": [
          "event",
          "source",
          "timestamp",
          "receivedAt",
          "deliveries",
          "payload",
          "position",
          "decided",
          "reason",
          "explanation"
        ]
      },
      "Facts": {
        "type": "object",
        "properties": {
          "sessionId": {
            "type": "string"
          },
          "sessionStatus": {
            "$ref": "#/components/schemas/SessionStatus"
          },
          "version": {
            "type": "integer",
            "minimum": 0
          },
          "decision": {
            "type": "object",
            "properties": {
              "reason": {
                "type": "string"
              },
              "explanation": {
                "type": "string"
              }
            },
            "required": [
              "reason",
              "explanation"
            ]
          },
          "facts": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Fact"
            }
          }
        },
        "required": [
          "sessionId",
          "sessionStatus",
          "version",
          "decision",
          "facts"
        ]
      },
      "FeeNotice": {
        "type": "object",
        "properties": {
          "feeType": {
            "type": "string"
          },
          "feeWillApplyFrom": {
            "type": "string",
            "format": "date-time"
          },
          "timestamp": {
            "type": "string",
            "format": "date-time"
          }
        },
        "required": [
          "timestamp"
        ]
      },
      "Fees": {
        "type": "object",
        "properties": {
          "fees": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "sessionId": {
                  "type": "string"
                },
                "userId": {
                  "type": "string"
                },
                "sessionStatus": {
                  "$ref": "#/components/schemas/SessionStatus"
                },
                "feeType": {
                  "type": "string"
                },
                "feeWillApplyFrom": {
                  "type": "string",
                  "format": "date-time"
                },
                "timestamp": {
                  "type": "string",
                  "format": "date-time"
                }
              },
              "required": [
                "sessionId",
                "sessionStatus",
                "feeWillApplyFrom",
                "timestamp"
              ]
            }
          },
          "count": {
            "type": "integer",
            "minimum": 0
          },
          "truncated": {
            "type": "boolean",
            "description": "True where more than `limit` are due; absent otherwise."
          }
        },
        "required": [
          "fees",
          "count"
        ]
      },
      "HistoryRequest": {
        "type": "object",
        "properties": {
          "sessionStatus": {
            "type": [
              "array",
              "null"
            ],
            "items": {
              "type": "string"
            },
            "minItems": 1
          },
          "chargingKeyId": {
            "type": [
              "string",
              "null"
            ]
          },
          "startTime": {
            "type": [
              "string",
              "null"
            ],
            "format": "date-time",
            "description": "Sessions that started then or later."
          },
          "endTime": {
            "type": [
              "string",
              "null"
            ],
            "format": "date-time",
            "description": "Sessions that started then or earlier."
          },
          "cursor": {
            "type": [
              "string",
              "null"
            ]
          },
          "limit": {
            "type": [
              "integer",
              "null"
            ],
            "minimum": 1,
            "maximum": 500,
            "default": 50
          }
        }
      },
      "LiveEvent": {
        "type": "object",
        "properties": {
          "type": {
            "enum": [
              "status",
              "fee",
              "fact",
              "effective-status",
              "fee-applies"
            ]
          },
          "at": {
            "type": "string",
            "format": "date-time"
          },
          "session": {
            "type": "object",
            "properties": {
              "sessionId": {
                "type": "string"
              },
              "userId": {
                "type": "string",
                "description": "Not known of every session."
              },
              "userIdConflict": {
                "const": true,
                "description": "The facts name different users."
              },
              "userIds": {
                "type": "array",
                "items": {
                  "type": "string"
                },
                "description": "All of them, where the facts disagree."
              },
              "sessionStatus": {
                "$ref": "#/components/schemas/SessionStatus"
              },
              "statusSince": {
                "type": "string",
                "format": "date-time",
                "description": "Timestamp of the fact that decided."
              },
              "startTime": {
                "type": "string",
                "format": "date-time",
                "description": "The earliest start."
              },
              "stopTime": {
                "type": "string",
                "format": "date-time",
                "description": "The latest stop."
              },
              "abandonedAt": {
                "type": "string",
                "format": "date-time",
                "description": "When the session was given up."
              },
              "balanceStatus": {
                "description": "`PROCESSING`, `PAID`, `DEBT` or `REFUND`."
              },
              "balanceAmountMinor": {
                "description": "Money, in minor units."
              },
              "chargingKeyId": {},
              "chargingKeyType": {
                "description": "`virtual` for a session that can be stopped remotely."
              },
              "charger": {},
              "site": {},
              "connectorId": {},
              "duration": {
                "description": "ISO 8601."
              },
              "energy": {},
              "price": {},
              "receiptAvailable": {},
              "fees": {
                "type": "array",
                "items": {
                  "$ref": "#/components/schemas/FeeNotice"
                }
              },
              "version": {
                "type": "integer",
                "minimum": 0,
                "description": "The number of distinct facts."
              },
              "effectiveStatus": {
                "$ref": "#/components/schemas/SessionStatus"
              }
            },
            "required": [
              "sessionId",
              "sessionStatus",
              "version",
              "effectiveStatus"
            ]
          },
          "fees": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/FeeNotice"
            }
          }
        },
        "required": [
          "type",
          "at",
          "session"
        ]
      },
      "LogLine": {
        "type": "object",
        "properties": {
          "position": {
            "type": "integer",
            "minimum": 1
          },
          "receivedAt": {
            "type": "string",
            "format": "date-time"
          },
          "source": {
            "$ref": "#/components/schemas/Source"
          },
          "body": {
            "type": "string",
            "description": "The delivery, verbatim."
          }
        },
        "description": "See `chargefold export`."
      },
      "MintedToken": {
        "type": "object",
        "properties": {
          "token": {
            "type": "string"
          },
          "tokenType": {
            "const": "Bearer"
          },
          "scope": {
            "type": "string",
            "description": "`act:user:` or `read:user:`, and the user's id, percent-encoded."
          },
          "userId": {
            "type": "string"
          },
          "expiresAt": {
            "type": "string",
            "format": "date-time"
          }
        },
        "required": [
          "token",
          "tokenType",
          "scope",
          "userId",
          "expiresAt"
        ]
      },
      "Outcome": {
        "type": "object",
        "properties": {
          "outcome": {
            "enum": [
              "accepted",
              "duplicate"
            ]
          },
          "sessionId": {
            "type": "string"
          },
          "sessionStatus": {
            "$ref": "#/components/schemas/SessionStatus"
          },
          "version": {
            "type": "integer",
            "minimum": 0
          }
        },
        "required": [
          "outcome",
          "sessionId",
          "sessionStatus",
          "version"
        ]
      },
      "Page": {
        "type": "object",
        "properties": {
          "sessions": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/Session"
            }
          },
          "cursor": {
            "type": "string",
            "description": "Leads to the next page; absent on the last one."
          },
          "count": {
            "type": "integer",
            "minimum": 0,
            "description": "Sessions in this page."
          }
        },
        "required": [
          "sessions",
          "count"
        ]
      },
      "Problem": {
        "type": "object",
        "properties": {
          "type": {
            "type": "string",
            "description": "Stable: clients may switch on it. `urn:chargefold:problem:` and a name.",
            "pattern": "^urn:chargefold:problem:[a-z0-9-]+$"
          },
          "title": {
            "type": "string"
          },
          "status": {
            "type": "integer",
            "minimum": 400,
            "maximum": 599
          },
          "detail": {
            "type": "string"
          },
          "code": {
            "type": "string",
            "description": "A finer reason."
          }
        },
        "required": [
          "type",
          "title",
          "status"
        ]
      },
      "QuarantineEntry": {
        "type": "object",
        "properties": {
          "id": {
            "type": "integer",
            "minimum": 1
          },
          "kind": {
            "enum": [
              "verified",
              "unverified"
            ]
          },
          "reason": {
            "type": "string"
          },
          "receivedAt": {
            "type": "string",
            "format": "date-time"
          },
          "bodyBytes": {
            "type": "integer",
            "minimum": 0
          },
          "body": {
            "type": "string",
            "description": "Where it is UTF-8; shown with a single entry."
          },
          "bodyHex": {
            "type": "string",
            "description": "Where it is not."
          }
        },
        "required": [
          "id",
          "kind",
          "reason",
          "receivedAt",
          "bodyBytes"
        ]
      },
      "QuarantineSelection": {
        "anyOf": [
          {
            "type": "object",
            "properties": {
              "ids": {
                "type": "array",
                "items": {
                  "type": "integer",
                  "minimum": -9223372036854775808,
                  "maximum": 9223372036854775807
                }
              }
            },
            "required": [
              "ids"
            ]
          },
          {
            "type": "object",
            "properties": {
              "all": {
                "const": true
              }
            },
            "required": [
              "all"
            ]
          }
        ]
      },
      "RetryResult": {
        "type": "object",
        "properties": {
          "id": {
            "type": "integer"
          },
          "outcome": {
            "enum": [
              "accepted",
              "duplicate",
              "refused",
              "unknown"
            ]
          },
          "reason": {
            "type": "string"
          },
          "sessionId": {
            "type": "string"
          }
        },
        "required": [
          "id",
          "outcome"
        ]
      },
      "Session": {
        "type": "object",
        "properties": {
          "sessionId": {
            "type": "string"
          },
          "userId": {
            "type": "string",
            "description": "Not known of every session."
          },
          "userIdConflict": {
            "const": true,
            "description": "The facts name different users."
          },
          "userIds": {
            "type": "array",
            "items": {
              "type": "string"
            },
            "description": "All of them, where the facts disagree."
          },
          "sessionStatus": {
            "$ref": "#/components/schemas/SessionStatus"
          },
          "statusSince": {
            "type": "string",
            "format": "date-time",
            "description": "Timestamp of the fact that decided."
          },
          "startTime": {
            "type": "string",
            "format": "date-time",
            "description": "The earliest start."
          },
          "stopTime": {
            "type": "string",
            "format": "date-time",
            "description": "The latest stop."
          },
          "abandonedAt": {
            "type": "string",
            "format": "date-time",
            "description": "When the session was given up."
          },
          "balanceStatus": {
            "description": "`PROCESSING`, `PAID`, `DEBT` or `REFUND`."
          },
          "balanceAmountMinor": {
            "description": "Money, in minor units."
          },
          "chargingKeyId": {},
          "chargingKeyType": {
            "description": "`virtual` for a session that can be stopped remotely."
          },
          "charger": {},
          "site": {},
          "connectorId": {},
          "duration": {
            "description": "ISO 8601."
          },
          "energy": {},
          "price": {},
          "receiptAvailable": {},
          "fees": {
            "type": "array",
            "items": {
              "$ref": "#/components/schemas/FeeNotice"
            }
          },
          "version": {
            "type": "integer",
            "minimum": 0,
            "description": "The number of distinct facts."
          },
          "lastFact": {
            "type": "object",
            "properties": {
              "event": {
                "type": "string"
              },
              "timestamp": {
                "type": "string",
                "format": "date-time"
              },
              "receivedAt": {
                "type": "string",
                "format": "date-time"
              },
              "source": {
                "$ref": "#/components/schemas/Source"
              }
            },
            "required": [
              "event",
              "timestamp",
              "receivedAt",
              "source"
            ]
          },
          "deliveries": {
            "type": "object",
            "properties": {
              "received": {
                "type": "integer",
                "minimum": 0
              },
              "duplicates": {
                "type": "integer",
                "minimum": 0
              },
              "arrivedLate": {
                "type": "integer",
                "minimum": 0
              }
            },
            "required": [
              "received",
              "duplicates",
              "arrivedLate"
            ]
          },
          "effectiveStatus": {
            "$ref": "#/components/schemas/SessionStatus"
          },
          "actions": {
            "type": "object",
            "properties": {
              "stop": {
                "$ref": "#/components/schemas/Action"
              },
              "startAnother": {
                "$ref": "#/components/schemas/Action"
              },
              "abandon": {
                "$ref": "#/components/schemas/Action"
              },
              "retryPayment": {
                "$ref": "#/components/schemas/Action"
              }
            },
            "required": [
              "stop",
              "startAnother",
              "abandon",
              "retryPayment"
            ]
          },
          "anomalies": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "code": {
                  "$ref": "#/components/schemas/AnomalyCode"
                },
                "explanation": {
                  "type": "string"
                }
              },
              "required": [
                "code",
                "explanation"
              ]
            }
          }
        },
        "required": [
          "sessionId",
          "sessionStatus",
          "version",
          "lastFact",
          "deliveries",
          "effectiveStatus",
          "actions"
        ]
      },
      "SessionEvent": {
        "type": "object",
        "properties": {
          "event": {
            "type": "string",
            "description": "`SESSION_STARTED`, `SESSION_STOPPED`, `SESSION_COMPLETE`, `SESSION_START_FAILED`, `SESSION_STOP_FAILED`, `SESSION_FEE_INCURRING`; others are kept.",
            "minLength": 1
          },
          "payload": {
            "type": "object",
            "properties": {
              "sessionId": {
                "type": "string",
                "description": "1 to 256 bytes without control characters.",
                "minLength": 1,
                "maxLength": 256,
                "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"
              },
              "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "RFC 3339."
              },
              "userId": {
                "description": "A string; anything else is kept and counts for nothing."
              }
            },
            "required": [
              "sessionId",
              "timestamp"
            ],
            "description": "Further members are kept."
          }
        },
        "required": [
          "event",
          "payload"
        ],
        "description": "Names must not appear twice."
      },
      "SessionStatus": {
        "type": "string",
        "description": "`CREATED`, `WAITING_TO_START`, `STARTED`, `WAITING_TO_STOP`, `STOP_FAILED`, `STOPPED`, `COMPLETE`, `REFUNDED`, `FAILED`, `UNKNOWN`; others are kept as they came.",
        "examples": [
          "STARTED"
        ]
      },
      "Source": {
        "enum": [
          "webhook",
          "driveApi",
          "client",
          "cdr"
        ]
      },
      "TokenRequest": {
        "type": "object",
        "properties": {
          "userId": {
            "type": "string",
            "description": "1 to 256 bytes.",
            "minLength": 1,
            "maxLength": 256
          },
          "scope": {
            "enum": [
              "act",
              "read"
            ],
            "default": "act",
            "description": "`act` opens what may be done for the user as well as what may be read."
          },
          "ttlSeconds": {
            "type": "integer",
            "minimum": 1,
            "maximum": 86400,
            "default": 3600
          }
        },
        "required": [
          "userId"
        ]
      }
    }
  }
}

"""##
}
