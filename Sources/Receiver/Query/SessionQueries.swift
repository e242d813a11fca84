internal import Base
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// Queries about one session.
final class SessionQueries: Sendable {
    let store: any SessionStore
    let others: Others
    private let renderer: SessionRenderer
    private let waits: LiveWaits
    private let clock: @Sendable () -> Instant

    init(
        store: any SessionStore, others: Others, renderer: SessionRenderer, waits: LiveWaits,
        clock: @escaping @Sendable () -> Instant
    ) {
        self.store = store
        self.others = others
        self.renderer = renderer
        self.waits = waits
        self.clock = clock
    }

    /// `GET /v1/sessions/{sessionId}`: the state and what follows from it for now, with an entity tag made of both.
    ///
    /// With `wait=30s&version=n` it answers as soon as the version is above n, or 304 at the end of the wait.
    func answer(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        try answer(call, of: nil)
    }

    /// `GET /v1/users/{userId}/sessions/{sessionId}`: the same, if it is one of that user's.
    func answerOfUser(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        try answer(call, of: call.path.userId)
    }

    private func answer(_ call: borrowing Call<AccessGrant>, of userId: String?) throws(Problem) {
        let (id, grant) = (call.path.sessionId, call.grant)
        let query = try QueryParameters(of: call.request.head.query)
        guard let wait = try SessionWait(query) else {
            let preconditions = Preconditions(call.request.head)
            return others.whenCurrent(call.exchange) { [self] exchange in
                answer(id, of: userId, grant, exchange, preconditions)
            }
        }
        var exchange = call.exchange
        // How long it takes is for whoever asks to say: that tells nothing of us.
        exchange.transform = ContentCoding.transform(for: call.request.head)
        waits.wait(for: id, wait, grant, { grant.allows($0, of: userId) }, exchange)
    }

    /// With the answer that was kept, where it is still the right one.
    private func answer(
        _ id: String, of userId: String?, _ grant: AccessGrant, _ exchange: Exchange,
        _ preconditions: Preconditions
    ) {
        let kept = store.memo(of: id)
        if let answer = kept.memo as? SessionAnswer, renderer.isRight(answer, now: clock()) {
            let isShown = grant.allows(answer.users, of: userId)
            return exchange.respond(isShown ? answer.response(preconditions) : Response(.sessionNotFound))
        }
        let ticket = kept.ticket
        others.lookUp(id, in: store, exchange) { [self] result, exchange in
            exchange.respond(result, isShown: { grant.allows($0, of: userId) }) { record in
                let answer = renderer.answer(record, now: clock())
                store.keep(answer, of: record, ticket: ticket)
                return answer.response(preconditions)
            }
        }
    }

}

extension Exchange {
    /// Answers with what was found, as far as whoever asks may see it.
    func respond(
        _ result: Result<SessionRecord?, StoreError>, isShown: (SessionRecord) -> Bool,
        _ response: (SessionRecord) -> Response
    ) {
        switch result {
        case .success(let record?) where isShown(record): respond(response(record))
        case .success: respond(Response(.sessionNotFound))
        case .failure(let error): respond(Response(Problem(error, .storeUnreadable)))
        }
    }
}

/// `wait` and `version` of a long poll.
struct SessionWait {
    /// Below the time after which the server answers for a handler.
    static let millisecondsMax: Int64 = 60_000

    let milliseconds: Int64
    /// The version that the client has.
    let version: Int

    /// nil without `wait`.
    init?(_ query: QueryParameters) throws(Problem) {
        guard let text = query["wait"] else { return nil }
        guard let milliseconds = DurationText.milliseconds(text), milliseconds <= Self.millisecondsMax else {
            throw .malformedQuery.with(detail: "wait must be a duration of at most 60s, such as 30s.")
        }
        self.milliseconds = milliseconds
        version = Int(try query.number("version", in: 0...Int64(Int32.max), else: 0))
    }
}

extension Response {
    static func notModified(_ tag: String) -> Response {
        var response = Response(status: 304)
        response.add("ETag", tag)
        response.add("Cache-Control", "no-store" as StaticString)
        return response
    }
}

/// What a client makes its request depend on (RFC 9110 section 13.1).
struct Preconditions: Sendable {
    var ifMatch: [UInt8]?
    var ifNoneMatch: [UInt8]?

    init() {}

    init(_ head: borrowing RequestHead) {
        ifMatch = head.list("if-match")
        ifNoneMatch = head.list("if-none-match")
    }

    /// Whether `If-Match` holds for something that is there. Our tags are weak, and weak ones never match there.
    var matchesAnything: Bool { ifMatch.map { $0.elementsEqual("*".utf8) } ?? true }
}

extension Problem {
    static let preconditionFailed = Problem(
        412, "precondition-failed",
        "If-Match does not hold: the entity tags of sessions are weak, and never match there.")
}

/// Entity tags of sessions (RFC 9110 section 8.8.3). They are weak: the account of deliveries in the answer may differ
/// while the state, and so its version, is the same. The digest is of the facts, and of what depends on the time.
enum EntityTag {
    static func text(version: Int, digest: UInt32) -> String {
        // Most of them fit into a String without memory of its own, if it is made at once.
        let digits: StaticString = "0123456789abcdef"
        return String(unsafeUninitializedCapacity: 32) { text in
            var count = 0
            func put(_ byte: UInt8) {
                text[count] = byte
                count += 1
            }
            put(UInt8(ascii: "W"))
            put(UInt8(ascii: "/"))
            put(UInt8(ascii: "\""))
            // Up to 20 digits: the fewest that hold the version.
            var divisor = 1
            while version / divisor >= 10 { divisor *= 10 }
            while divisor > 0 {
                put(UInt8(ascii: "0") + UInt8(version / divisor % 10))
                divisor /= 10
            }
            put(UInt8(ascii: "-"))
            for shift in stride(from: 28 as UInt32, through: 0, by: -4) {
                put(digits.utf8Start[Int(digest >> shift & 15)])
            }
            put(UInt8(ascii: "\""))
            return count
        }
    }

    /// Whether an `If-None-Match` value holds the tag, by weak comparison (RFC 9110 section 13.1.2).
    static func isMatched(by header: [UInt8], tag: String) -> Bool {
        let opaque = Array(tag.utf8.drop { $0 != UInt8(ascii: "\"") })
        for candidate in header.split(separator: UInt8(ascii: ",")) {
            let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
            var text = candidate.drop(while: isBlank)
            while let last = text.last, isBlank(last) { text.removeLast() }
            if text.elementsEqual("*".utf8) { return true }
            if text.starts(with: "W/".utf8) { text = text.dropFirst(2) }
            if text.elementsEqual(opaque) { return true }
        }
        return false
    }
}
