internal import Base
import HTTPServer

/// The target of a request, taken apart and decoded.
struct RequestTarget: Sendable {
    let method: String
    /// As it came, without the query.
    let path: String
    /// Percent-decoded.
    let segments: [String]
    let query: [String: String]

    /// Nil where a percent-encoding is invalid.
    init?(_ head: borrowing RequestHead) {
        method = String(decoding: head.method, as: UTF8.self)
        path = String(decoding: head.path, as: UTF8.self)
        var segments: [String] = []
        for segment in head.path.split(separator: UInt8(ascii: "/")) {
            guard let text = PercentEncoding.decode(segment) else { return nil }
            segments.append(text)
        }
        self.segments = segments
        var query: [String: String] = [:]
        for pair in (head.query ?? .init(start: nil, count: 0)).split(separator: UInt8(ascii: "&")) {
            let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard let name = PercentEncoding.decode(pair[..<end]),
                let value = PercentEncoding.decode(pair[end...].dropFirst())
            else {
                return nil
            }
            query[name] = value
        }
        self.query = query
    }
}

/// What a request asks for.
enum Route: Sendable, Equatable {
    case geosearch
    case start(user: String)
    case history(user: String)
    case session(user: String, id: String)
    case stop(user: String, id: String)
    case receipt(user: String, id: String)
    case retryPayment(user: String, id: String)
    case summary, truth, health, chaos, clock
    case truthOf(id: String)
    case intervene(id: String, World.Intervention)

    /// Whether it is one of the API's own calls.
    var isOfAPI: Bool {
        switch self {
        case .summary, .truth, .health, .chaos, .clock, .truthOf, .intervene: false
        default: true
        }
    }

    var methods: [String] {
        switch self {
        case .session, .receipt, .summary, .truthOf, .health: ["GET"]
        case .geosearch, .start, .history, .stop, .retryPayment, .intervene: ["POST"]
        case .truth, .chaos, .clock: ["GET", "POST"]
        }
    }

    /// - Parameter base: the segments before `v1`.
    static func match(_ segments: [String], base: [String]) -> Route? {
        if segments.first == "sandbox" { return control(Array(segments.dropFirst())) }
        if segments == ["healthz"] { return .health }
        guard segments.starts(with: base + ["v1"]) else { return nil }
        let rest = Array(segments.dropFirst(base.count + 1))
        if rest == ["geosearch", "radius"] { return .geosearch }
        guard rest.count >= 4, rest[0] == "users", rest[2] == "sessions" else { return nil }
        let (user, third) = (rest[1], rest[3])
        switch rest.count {
        case 4 where third == "start": return .start(user: user)
        case 4 where third == "history": return .history(user: user)
        case 4: return .session(user: user, id: third)
        case 5 where rest[4] == "stop": return .stop(user: user, id: third)
        case 5 where rest[4] == "receipt": return .receipt(user: user, id: third)
        case 5 where rest[4] == "retry-payment": return .retryPayment(user: user, id: third)
        default: return nil
        }
    }

    private static func control(_ segments: [String]) -> Route? {
        switch segments.count {
        case 0: return .summary
        case 1 where segments[0] == "sessions": return .truth
        case 1 where segments[0] == "chaos": return .chaos
        case 1 where segments[0] == "clock": return .clock
        case 2 where segments[0] == "sessions": return .truthOf(id: segments[1])
        case 3 where segments[0] == "sessions":
            return World.Intervention(rawValue: segments[2]).map { .intervene(id: segments[1], $0) }
        default: return nil
        }
    }
}
