/// Every route there is, one line each. Of two paths that a request fits, the first one counts.
extension Route {
    package static let all: [Route] = [
        // The two that must be fast.
        Route(
            .post, "/webhooks/session-events", .callbacks, body: .callback, needsSessions: false, coded: false,
            Receiver.receiveCallback),
        Route(.get, "/v1/sessions/{sessionId}", .reading, Receiver.answerSession),

        Route(
            .post, "/webhooks/cdrs", .callbacks, body: .callback, needsSessions: false, coded: false,
            Receiver.receiveChargeDetailRecord),

        Route(.get, "/v1/sessions", .readingEverything, Receiver.answerAnomalies),
        Route(.get, "/v1/sessions/{sessionId}/facts", .reading, Receiver.answerFacts),
        Route(.get, "/v1/sessions/{sessionId}/cdr", .reading, Receiver.answerRecords),
        Route(.get, "/v1/sessions/{sessionId}/events", .reading, Receiver.streamSession),
        Route(.post, "/v1/sessions/{sessionId}/abandon", .acting, Receiver.abandon),
        Route(.get, "/v1/events", .readingEverything, Receiver.streamEverything),
        Route(.get, "/v1/fees", .readingEverything, Receiver.answerFees),

        // The Drive API's own words come before session ids.
        Route(.get, "/v1/users/{userId}/sessions", .readingUser, Receiver.answerHistory),
        Route(.post, "/v1/users/{userId}/sessions/history", .readingUser, Receiver.answerHistory),
        Route(.get, "/v1/users/{userId}/sessions/active", .readingUser, Receiver.answerActive),
        Route(.post, "/v1/users/{userId}/sessions/start", .actingForUser, Receiver.start),
        Route(.get, "/v1/users/{userId}/sessions/{sessionId}", .reading, Receiver.answerUserSession),
        Route(.post, "/v1/users/{userId}/sessions/{sessionId}/stop", .actingForUser, Receiver.stop),
        Route(.get, "/v1/users/{userId}/sessions/{sessionId}/receipt", .readingForUser, Receiver.receipt),
        Route(.post, "/v1/users/{userId}/sessions/{sessionId}/retry-payment", .actingForUser, Receiver.retryPayment),
        Route(.get, "/v1/users/{userId}/events", .readingUser, Receiver.streamUser),

        Route(.delete, "/v1/users/{userId}", .operating, Receiver.eraseUser),
        Route(.post, "/v1/tokens", .operating, needsSessions: false, Receiver.mintToken),
        Route(.get, "/v1/log", .operating, needsSessions: false, Receiver.streamLog),
        Route(.get, "/v1/downtime", .operating, needsSessions: false, Receiver.answerDowntime),
        Route(.get, "/v1/secrets", .operating, needsSessions: false, Receiver.answerSecrets),
        Route(.post, "/v1/backfill", .operating, Receiver.runBackfill),
        Route(.get, "/v1/quarantine", .operating, needsSessions: false, Receiver.listQuarantine),
        Route(.post, "/v1/quarantine/retry", .operating, body: .long, needsSessions: false, Receiver.retryQuarantine),
        Route(.get, "/v1/quarantine/{id}", .operating, needsSessions: false, Receiver.showQuarantined),
        Route(.delete, "/v1/quarantine/{id}", .operating, needsSessions: false, Receiver.dropQuarantined),
        Route(.post, "/v1/quarantine/{id}/retry", .operating, needsSessions: false, Receiver.retryQuarantined),

        Route(.get, "/healthz", .anybody, sheds: false, needsSessions: false, coded: false, Receiver.answerHealth),
        Route(.get, "/readyz", .anybody, sheds: false, needsSessions: false, coded: false, Receiver.answerReadiness),
        Route(.get, "/metrics", .anybody, sheds: false, needsSessions: false, Receiver.answerMetrics),
        // Coded once and for all.
        Route(.get, "/openapi.json", .anybody, needsSessions: false, coded: false, Receiver.answerOpenAPI),
    ]
}
