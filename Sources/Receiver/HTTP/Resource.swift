import Glibc

/// A resource of the HTTP interface, as its path names it.
package enum Resource: Equatable, Sendable {
    case sessionEvents
    case session(String)
    case sessionFacts(String)
    case chargeDetailRecords
    case sessionRecords(String)
    case downtime
    case backfill
    case startSession(userId: String)
    case stopSession(userId: String, sessionId: String)
    case receipt(userId: String, sessionId: String)
    case retryPayment(userId: String, sessionId: String)
    case sessionAbandon(String)
    case sessionEventStream(String)
    case sessions
    case userSessions(String)
    case userHistory(String)
    case userActive(String)
    case userSession(userId: String, sessionId: String)
    case userEventStream(String)
    case eventStream
    case fees
    case quarantine
    case quarantined(Int64)
    case quarantineRetry
    case quarantinedRetry(Int64)
    case log
    case tokens
    case user(String)
    case openAPI
    case health
    case ready
    case metrics

    /// What a path leads to.
    package enum Match: Equatable, Sendable {
        case resource(Resource)
        /// No resource has this path.
        case none
        /// A percent-encoding in it is invalid (RFC 3986 section 2.1), or it does not decode to UTF-8.
        case malformed
    }

    /// Whether it cannot be answered, or not truly, while sessions are being made again from the log.
    var needsSessions: Bool {
        switch self {
        case .sessionEvents, .chargeDetailRecords, .health, .ready, .metrics, .openAPI, .log, .quarantine, .quarantined,
            .quarantineRetry, .quarantinedRetry, .tokens, .downtime:
            false
        default: true
        }
    }

    /// The methods that the resource allows, as the `Allow` header lists them (RFC 9110 section 10.2.1).
    package var allow: String {
        switch self {
        case .sessionEvents, .quarantineRetry, .quarantinedRetry, .sessionAbandon, .userHistory, .tokens: "POST"
        case .chargeDetailRecords, .backfill, .startSession, .stopSession, .retryPayment: "POST"
        case .user: "DELETE"
        case .quarantined: "GET, HEAD, DELETE"
        default: "GET, HEAD"
        }
    }

    /// Whether the resource allows the method (its case matters, RFC 9110 section 9.1).
    package func allows(_ method: UnsafeRawBufferPointer) -> Bool {
        switch self {
        case .sessionEvents, .quarantineRetry, .quarantinedRetry, .sessionAbandon, .userHistory, .tokens:
            method.equals("POST")
        case .chargeDetailRecords, .backfill, .startSession, .stopSession, .retryPayment: method.equals("POST")
        case .user: method.equals("DELETE")
        case .quarantined: method.equals("GET") || method.equals("HEAD") || method.equals("DELETE")
        default: method.equals("GET") || method.equals("HEAD")
        }
    }

    /// - Parameter path: the raw bytes of the path, still percent-encoded, without the query.
    package static func match(_ path: UnsafeRawBufferPointer) -> Match {
        // The two that must be fast.
        if path.equals("/webhooks/session-events") { return .resource(.sessionEvents) }
        if let id = plainSessionId(path) { return .resource(.session(id)) }
        let found = matchExactly(path)
        if case .none = found, let webhook = WebhookPath.webhook(likely: path) { return .resource(webhook) }
        return found
    }

    private static func matchExactly(_ path: UnsafeRawBufferPointer) -> Match {
        guard var segments = PathSegments(path) else { return .none }
        // The Drive API's base path, so that an app can be pointed here by changing the host alone: for its calls about
        // sessions, and nothing else of ours.
        if segments.count > 5, segments[0].equals("drive"), segments[2].equals("users"), segments[4].equals("sessions")
        {
            segments = segments.withoutFirst
        }
        return matchGateway(segments) ?? match(segments)
    }

    /// The id in `/v1/sessions/{sessionId}`, where it is made of letters and digits alone, as the Drive API's are.
    private static func plainSessionId(_ path: UnsafeRawBufferPointer) -> String? {
        let prefix: StaticString = "/v1/sessions/"
        guard path.count > prefix.utf8CodeUnitCount, path.count <= prefix.utf8CodeUnitCount + 64,
            let start = path.baseAddress, memcmp(start, prefix.utf8Start, prefix.utf8CodeUnitCount) == 0
        else { return nil }
        let id = UnsafeRawBufferPointer(rebasing: path[prefix.utf8CodeUnitCount...])
        for byte in id {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"):
                continue
            default: return nil
            }
        }
        return String(decoding: id, as: UTF8.self)
    }

    private static func match(_ segments: PathSegments) -> Match {
        let isVersion1 = segments[0].equals("v1")
        switch segments.count {
        case 1:
            if segments[0].equals("healthz") { return .resource(.health) }
            if segments[0].equals("readyz") { return .resource(.ready) }
            if segments[0].equals("metrics") { return .resource(.metrics) }
            if segments[0].equals("openapi.json") { return .resource(.openAPI) }
        case 2:
            if segments[0].equals("webhooks"), segments[1].equals("session-events") { return .resource(.sessionEvents) }
            if isVersion1, segments[1].equals("log") { return .resource(.log) }
            if isVersion1, segments[1].equals("tokens") { return .resource(.tokens) }
            if isVersion1, segments[1].equals("quarantine") { return .resource(.quarantine) }
            if isVersion1, segments[1].equals("sessions") { return .resource(.sessions) }
            if isVersion1, segments[1].equals("events") { return .resource(.eventStream) }
            if isVersion1, segments[1].equals("fees") { return .resource(.fees) }
        case 3 where isVersion1:
            if segments[1].equals("users") { return parameter(segments[2]) { .user($0) } }
            if segments[1].equals("sessions") { return parameter(segments[2]) { .session($0) } }
            if segments[1].equals("quarantine") {
                if segments[2].equals("retry") { return .resource(.quarantineRetry) }
                return parameter(segments[2]) { Int64($0).map { .quarantined($0) } }
            }
        case 4 where isVersion1: return match4(segments)
        case 5 where isVersion1:
            if segments[1].equals("users"), segments[3].equals("sessions") { return matchUserSession(segments) }
        default: break
        }
        return .none
    }

    private static func match4(_ segments: PathSegments) -> Match {
        if segments[1].equals("sessions") {
            if segments[3].equals("facts") { return parameter(segments[2]) { .sessionFacts($0) } }
            if segments[3].equals("abandon") { return parameter(segments[2]) { .sessionAbandon($0) } }
            if segments[3].equals("events") { return parameter(segments[2]) { .sessionEventStream($0) } }
        } else if segments[1].equals("users") {
            if segments[3].equals("sessions") { return parameter(segments[2]) { .userSessions($0) } }
            if segments[3].equals("events") { return parameter(segments[2]) { .userEventStream($0) } }
        } else if segments[1].equals("quarantine"), segments[3].equals("retry") {
            return parameter(segments[2]) { Int64($0).map { .quarantinedRetry($0) } }
        }
        return .none
    }

    /// `/v1/users/{userId}/sessions/…`: the Drive API's own words come before session ids.
    private static func matchUserSession(_ segments: PathSegments) -> Match {
        if segments[4].equals("history") { return parameter(segments[2]) { .userHistory($0) } }
        if segments[4].equals("active") { return parameter(segments[2]) { .userActive($0) } }
        guard !segments[2].isEmpty, !segments[4].isEmpty else { return .none }
        guard let userId = PercentEncoding.decode(segments[2]), let sessionId = PercentEncoding.decode(segments[4])
        else { return .malformed }
        return .resource(.userSession(userId: userId, sessionId: sessionId))
    }

    private static func parameter(
        _ segment: UnsafeRawBufferPointer, _ resource: (String) -> Resource?
    ) -> Match {
        guard !segment.isEmpty else { return .none }
        guard let text = PercentEncoding.decode(segment) else { return .malformed }
        return resource(text).map { .resource($0) } ?? .none
    }
}

extension Resource {
    /// Whether callbacks belong here.
    var isWebhook: Bool {
        switch self {
        case .sessionEvents, .chargeDetailRecords: true
        default: false
        }
    }

    /// Whether only operators may use it.
    var isForOperators: Bool {
        switch self {
        case .quarantine, .quarantined, .quarantineRetry, .quarantinedRetry, .log, .downtime, .backfill, .tokens, .user:
            true
        default: false
        }
    }

    /// Whether its answers may be long enough to be compressed. Those of callbacks and probes never are.
    var hasCodedAnswers: Bool {
        switch self {
        case .sessionEvents, .chargeDetailRecords, .health, .ready: false
        // Coded once and for all.
        case .openAPI: false
        default: true
        }
    }
}

extension Resource {
    /// The names of all cases, for the test that holds the description of the interface to them. The switch makes the
    /// compiler ask for whoever adds one.
    package static let kinds: [String] = {
        func isListed(_ resource: Resource) {
            switch resource {
            case .sessionEvents, .session, .sessionFacts, .sessionAbandon, .sessionEventStream, .sessions,
                .userSessions,
                .userHistory, .userActive, .userSession, .userEventStream, .eventStream, .fees, .quarantinedRetry,
                .chargeDetailRecords, .sessionRecords, .downtime, .backfill, .startSession, .stopSession, .receipt,
                .retryPayment,
                .quarantine, .quarantined, .quarantineRetry, .log, .tokens,
                .user, .openAPI, .health, .ready, .metrics:
                break
            }
        }
        return [
            "sessionEvents", "session", "sessionFacts", "quarantine", "quarantined", "quarantineRetry", "log", "tokens",
            "sessionAbandon", "sessionEventStream", "sessions", "userSessions", "userHistory", "userActive",
            "userSession", "userEventStream", "eventStream", "fees", "quarantinedRetry", "chargeDetailRecords",
            "sessionRecords", "downtime", "backfill",
            "startSession", "stopSession", "receipt", "retryPayment", "user", "openAPI", "health",
            "ready", "metrics",
        ]
    }()
}
