internal import Base

/// An answer. `Date`, `Content-Length`, `Connection` and `X-Content-Type-Options` are added by the server.
package struct Response: Sendable {
    package var status: UInt16
    /// The value of Content-Type; none is sent without one.
    package var contentType: StaticString?
    package var body: [UInt8]
    /// Whether the connection is closed after this answer.
    package var closesConnection = false
    /// Further fields, ready to be sent.
    private(set) var fieldLines: [UInt8] = []

    package init(status: UInt16, contentType: StaticString? = nil, body: [UInt8] = []) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// Adds a field. Control characters in the value become spaces, so that no value can end its line.
    /// - Parameter name: a field name; must not be one that the server adds itself.
    package mutating func add(_ name: StaticString, _ value: some Sequence<UInt8>) {
        fieldLines.reserveCapacity(fieldLines.count + name.utf8CodeUnitCount + value.underestimatedCount + 4)
        fieldLines.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        fieldLines.append(UInt8(ascii: ":"))
        fieldLines.append(ASCII.space)
        for byte in value {
            fieldLines.append(byte < 0x20 && byte != ASCII.tab || byte == 0x7F ? ASCII.space : byte)
        }
        fieldLines.append(ASCII.cr)
        fieldLines.append(ASCII.lf)
    }

    /// Adds a field; see the form for bytes.
    package mutating func add(_ name: StaticString, _ value: String) {
        var value = value
        value.withUTF8 { add(name, $0) }
    }

    /// Adds a field; see the form for bytes.
    package mutating func add(_ name: StaticString, _ value: StaticString) {
        add(name, UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    /// Whether a message with this status never has a body (RFC 9110 section 6.4.1).
    var forbidsBody: Bool { status == 204 || status == 304 || status < 200 }

    static func reason(_ status: UInt16) -> StaticString {
        switch status {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 416: "Range Not Satisfiable"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 428: "Precondition Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        case 507: "Insufficient Storage"
        default: "Status"
        }
    }
}
