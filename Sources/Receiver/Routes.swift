/// Every route there is, one line each. Of two paths that a request fits, the first one counts.
extension Route {
    package static let all: [Route] = [
        // The two that must be fast.
        Route(
            .post, "/webhooks/session-events", .callbacks, body: .callback, needsSessions: false, coded: false
        ) { $0.callbacks.receive },
        Route(.get, "/v1/sessions/{sessionId}", .reading, query: ["wait", "version"]) { $0.sessions.answer },

        Route(
            .post, "/webhooks/cdrs", .callbacks, body: .callback, needsSessions: false, coded: false
        ) { $0.recordCallbacks.receive },

        Route(.get, "/v1/sessions", .readingEverything, query: SessionListRequest.parameters) {
            $0.lists.answerSessions
        },
        Route(.get, "/v1/sessions/{sessionId}/facts", .reading, query: ["after", "limit", "bodies"]) {
            $0.sessions.answerFacts
        },
        Route(.get, "/v1/sessions/{sessionId}/cdr", .reading) { $0.records.answer },
        Route(.get, "/v1/sessions/{sessionId}/events", .reading, query: ["lastEventId"]) { $0.streams.streamSession },
        Route(.post, "/v1/sessions/{sessionId}/abandon", .acting) { $0.abandonments.abandon },
        Route(.get, "/v1/events", .readingEverything, query: ["lastEventId"]) { $0.streams.streamEverything },
        Route(.get, "/v1/fees", .readingEverything, query: ["dueWithin", "limit"]) { $0.lists.answerFees },

        // The Drive API's own words come before session ids.
        Route(
            .get, "/v1/users/{userId}/sessions", .readingUser,
            query: ["status", "effectiveStatus", "from", "to", "chargingKeyId", "limit", "cursor"]
        ) { $0.lists.answerHistory },
        Route(.post, "/v1/users/{userId}/sessions/history", .readingUser, query: nil) { $0.lists.answerHistory },
        Route(.get, "/v1/users/{userId}/sessions/active", .readingUser, query: ["limit", "cursor"]) {
            $0.lists.answerActive
        },
        Route(.get, "/v1/users/{userId}/start-check", .readingUser, query: ["connectorId"]) { $0.startChecks.answer },
        Route(.post, "/v1/users/{userId}/sessions/start", .actingForUser) { $0.gateway.start },
        Route(.get, "/v1/users/{userId}/sessions/{sessionId}", .reading, query: ["wait", "version"]) {
            $0.sessions.answerOfUser
        },
        Route(.post, "/v1/users/{userId}/sessions/{sessionId}/stop", .actingForUser) { $0.gateway.stop },
        Route(.get, "/v1/users/{userId}/sessions/{sessionId}/receipt", .readingForUser) { $0.gateway.receipt },
        Route(.post, "/v1/users/{userId}/sessions/{sessionId}/retry-payment", .actingForUser) {
            $0.gateway.retryPayment
        },
        Route(.get, "/v1/users/{userId}/events", .readingUser, query: ["lastEventId"]) { $0.streams.streamUser },
        Route(.post, "/v1/geosearch/radius", .actingUpstream, needsSessions: false) { $0.gateway.geosearch },

        Route(.delete, "/v1/users/{userId}", .operating) { $0.erasures.eraseUser },
        Route(.post, "/v1/tokens", .operating, needsSessions: false) { $0.tokens.mint },
        Route(.get, "/v1/log", .operating, query: ["from", "after", "limit"], needsSessions: false) { $0.log.answer },
        Route(.get, "/v1/overview", .operating, needsSessions: false) { $0.overview.answer },
        Route(.get, "/v1/receivers", .operating, needsSessions: false) { $0.receivers.list },
        Route(.delete, "/v1/receivers/{name}", .operating, needsSessions: false) { $0.receivers.forget },
        Route(.get, "/v1/downtime", .operating, query: ["limit", "sessions", "id"], needsSessions: false) {
            $0.downtimes.list
        },
        Route(.get, "/v1/secrets", .operating, needsSessions: false) { $0.secrets.show },
        Route(.post, "/v1/backfill", .operating) { $0.backfills.run },
        Route(.get, "/v1/quarantine", .operating, query: ["after", "limit"], needsSessions: false) {
            $0.quarantine.list
        },
        Route(.post, "/v1/quarantine/retry", .operating, body: .long, needsSessions: false) { $0.quarantine.retryAll },
        Route(.get, "/v1/quarantine/{id}", .operating, needsSessions: false) { $0.quarantine.show },
        Route(.delete, "/v1/quarantine/{id}", .operating, needsSessions: false) { $0.quarantine.drop },
        Route(.post, "/v1/quarantine/{id}/retry", .operating, needsSessions: false) { $0.quarantine.retryOne },

        Route(.get, "/healthz", .anybody, sheds: false, needsSessions: false, coded: false) {
            $0.operations.answerHealth
        },
        Route(.get, "/readyz", .anybody, sheds: false, needsSessions: false, coded: false) {
            $0.operations.answerReadiness
        },
        Route(.get, "/metrics", .anybody, sheds: false, needsSessions: false) { $0.operations.answerMetrics },
        // Coded once and for all.
        Route(.get, "/dashboard", .anybody, needsSessions: false, coded: false) { $0.operations.answerDashboard },
        Route(.get, "/openapi.json", .anybody, needsSessions: false, coded: false) { $0.operations.answerOpenAPI },
    ]
}
