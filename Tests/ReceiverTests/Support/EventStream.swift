import Base
import HTTPClient
import Receiver
import SessionModel
import Testing

/// A Server-Sent Event as a reader gets it.
struct ReceivedEvent: Equatable {
    var id: String?
    var type: String
    var data: CanonicalJSON

    var session: CanonicalJSON? { data.member("session") }
    var version: Int? { session?.member("version").flatMap { Int($0.text) } }
}

/// Reads a live stream over a socket, as a browser's EventSource does: it remembers the last id.
final class EventStream {
    private let socket: RawSocket
    private var raw: [UInt8] = []
    private var text: [UInt8] = []
    private var isBeforeBody = true
    let head: String
    /// What a reader would send as `Last-Event-ID`.
    private(set) var lastEventId: String?
    private(set) var comments = 0
    private(set) var lastComment: String?

    /// - Throws: where the answer is not 200.
    init(
        _ server: RunningServer, _ target: String, after id: String? = nil, token: String = RunningServer.token
    ) throws {
        socket = try server.raw()
        let resume = id.map { "Last-Event-ID: \($0)\r\n" } ?? ""
        socket.send(
            "GET \(target) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(token)\r\n\(resume)\r\n")
        lastEventId = id
        var received: [UInt8] = []
        while received.firstRange(of: Array("\r\n\r\n".utf8)) == nil {
            received += try #require(try socket.receive(), "no answer")
        }
        let end = try #require(received.firstRange(of: Array("\r\n\r\n".utf8)))
        head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
        try #require(head.hasPrefix("HTTP/1.1 200"), "\(head)")
        raw = Array(received[end.upperBound...])
    }

    /// Waits until the stream is open for changes: the server says so with an id.
    func opened() throws -> EventStream {
        while lastEventId == nil { _ = try block() }
        return self
    }

    /// The next event; nil at the end of the stream. Comments and bare ids are noted and passed over.
    func next() throws -> ReceivedEvent? {
        while let lines = try block() {
            var event = ReceivedEvent(id: nil, type: "message", data: .emptyObject)
            var hasData = false
            for line in lines {
                if line.hasPrefix("id: ") { event.id = String(line.dropFirst(4)) }
                if line.hasPrefix("event: ") { event.type = String(line.dropFirst(7)) }
                if line.hasPrefix("data: ") {
                    event.data = try CanonicalJSON(parsing: Array(line.dropFirst(6).utf8))
                    hasData = true
                }
            }
            if hasData { return event }
        }
        return nil
    }

    func next(_ count: Int) throws -> [ReceivedEvent] {
        try (0..<count).map { _ in try #require(try next(), "the stream ended") }
    }

    /// Waits for a comment.
    func nextComment() throws {
        let before = comments
        while comments == before { _ = try #require(try block(), "the stream ended") }
    }

    /// Everything up to an empty line.
    private func block() throws -> [Substring]? {
        let separator = Array("\n\n".utf8)
        while true {
            if let end = text.firstRange(of: separator) {
                let block = String(decoding: text[..<end.lowerBound], as: UTF8.self)
                text.removeSubrange(..<end.upperBound)
                let lines = block.split(separator: "\n")
                for line in lines {
                    if line.hasPrefix("id: ") { lastEventId = String(line.dropFirst(4)) }
                    if line.hasPrefix(":") {
                        comments += 1
                        lastComment = String(line)
                    }
                }
                return lines
            }
            guard try chunk() else { return nil }
        }
    }

    /// Takes one chunk apart (RFC 9112 section 7.1).
    private func chunk() throws -> Bool {
        let lineEnd = Array("\r\n".utf8)
        while true {
            if let end = raw.firstRange(of: lineEnd),
                let count = Int(String(decoding: raw[..<end.lowerBound], as: UTF8.self), radix: 16)
            {
                if count == 0 { return false }
                if raw.count >= end.upperBound + count + 2 {
                    text += raw[end.upperBound..<(end.upperBound + count)]
                    raw.removeSubrange(..<(end.upperBound + count + 2))
                    return true
                }
            }
            guard let more = try socket.receive() else { return false }
            raw += more
        }
    }
}

/// A clock that goes where the test says.
final class TestClock: Sendable {
    private let instant = Locked(testTime)
    var now: Instant { instant.withLock { $0 } }
    func advance(seconds: Int64) { instant.withLock { $0 = $0.adding(seconds: seconds) } }
}

extension LiveOptions {
    /// Time passes when the test says so.
    static var manual: LiveOptions {
        var options = LiveOptions()
        options.ticksAutomatically = false
        options.graceMilliseconds = 0
        options.tickMilliseconds = 1000
        options.heartbeatSeconds = 1
        return options
    }
}

extension RunningServer {
    /// A callback of a session at so many seconds from the test's time.
    func report(_ event: String, _ session: String, at seconds: Int64, extra: String = "") throws {
        let answer = try post(
            Callback.body(event, session, at: testTime.adding(seconds: seconds).rfc3339, extra: extra))
        try #require(answer.status == 200, "\(answer.text)")
    }

    func post(_ target: String, _ body: String, token: String? = token) throws -> ClientResponse {
        let authorization = token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
        return try send(
            ClientRequest(
                method: "POST", target: target, fields: authorization + [("Content-Type", "application/json")],
                body: Array(body.utf8)))
    }
}
