/// A resource of the HTTP interface, as its path names it.
package enum Resource: Equatable, Sendable {
    case sessionEvents
    case session(String)
    case sessionFacts(String)
    case quarantine
    case quarantined(Int64)
    case quarantineRetry
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

    /// The methods that the resource allows, as the `Allow` header lists them (RFC 9110 section 10.2.1).
    package var allow: String {
        switch self {
        case .sessionEvents, .quarantineRetry, .tokens: "POST"
        case .user: "DELETE"
        case .quarantined: "GET, HEAD, DELETE"
        default: "GET, HEAD"
        }
    }

    /// Whether the resource allows the method (its case matters, RFC 9110 section 9.1).
    package func allows(_ method: UnsafeRawBufferPointer) -> Bool {
        let method = method[...]
        return switch self {
        case .sessionEvents, .quarantineRetry, .tokens: method.equals("POST")
        case .user: method.equals("DELETE")
        case .quarantined: method.equals("GET") || method.equals("HEAD") || method.equals("DELETE")
        default: method.equals("GET") || method.equals("HEAD")
        }
    }

    /// - Parameter path: the raw bytes of the path, still percent-encoded, without the query.
    package static func match(_ path: UnsafeRawBufferPointer) -> Match {
        // At most five segments lead to anything.
        var segments: [Slice<UnsafeRawBufferPointer>] = []
        segments.reserveCapacity(5)
        guard path.first == UInt8(ascii: "/") else { return .none }
        for segment in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard segments.count < 5 else { return .none }
            segments.append(segment)
        }
        return match(segments)
    }

    private static func match(_ segments: [Slice<UnsafeRawBufferPointer>]) -> Match {
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
        case 3 where isVersion1:
            if segments[1].equals("users") { return parameter(segments[2]) { .user($0) } }
            if segments[1].equals("sessions") { return parameter(segments[2]) { .session($0) } }
            if segments[1].equals("quarantine") {
                if segments[2].equals("retry") { return .resource(.quarantineRetry) }
                return parameter(segments[2]) { Int64($0).map { .quarantined($0) } }
            }
        case 4 where isVersion1:
            if segments[1].equals("sessions"), segments[3].equals("facts") {
                return parameter(segments[2]) { .sessionFacts($0) }
            }
        default: break
        }
        return .none
    }

    private static func parameter(
        _ segment: Slice<UnsafeRawBufferPointer>, _ resource: (String) -> Resource?
    ) -> Match {
        guard !segment.isEmpty else { return .none }
        guard let text = PercentEncoding.decode(segment) else { return .malformed }
        return resource(text).map { .resource($0) } ?? .none
    }
}

extension Slice<UnsafeRawBufferPointer> {
    /// Whether the bytes are exactly these.
    func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: count))
    }
}

extension Resource {
    /// Whether only operators may use it.
    var isForOperators: Bool {
        switch self {
        case .quarantine, .quarantined, .quarantineRetry, .log, .tokens, .user: true
        default: false
        }
    }

    /// Whether its answers may be long enough to be compressed. Those of callbacks and probes never are.
    var hasCodedAnswers: Bool {
        switch self {
        case .sessionEvents, .health, .ready: false
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
            case .sessionEvents, .session, .sessionFacts, .quarantine, .quarantined, .quarantineRetry, .log, .tokens,
                .user, .openAPI, .health, .ready, .metrics:
                break
            }
        }
        return [
            "sessionEvents", "session", "sessionFacts", "quarantine", "quarantined", "quarantineRetry", "log", "tokens",
            "user", "openAPI", "health", "ready", "metrics",
        ]
    }()
}
