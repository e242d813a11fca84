import Base
import Ledger
import Replication
import SessionModel
import WebhookSecurity

/// What may be done once among all receivers: a start with its idempotency key, and a start on a connector while that cools
/// down. Each is claimed in the shared log before the Drive API is called; without the database only this receiver counts.
///
/// Of persons, keys and requests the shared log has digests under the seal key; a key's begins with its person's, so that
/// an erasure finds it.
struct SharedClaims: Sendable {
    /// What became of a claim.
    enum Outcome: Sendable {
        /// Go on.
        case claimed
        /// As `claimed`, but nobody knows whether another receiver has it: the database is away.
        case claimedHere
        /// The same request was answered elsewhere.
        case answered(KeptAnswer)
        /// It is under way elsewhere.
        case underWay
        /// Its receiver ended before there was an answer.
        case withoutAnswer
        /// The key was used with another request.
        case otherRequest
    }

    private static let starts = "start"
    private static let connectors = "connector"

    /// A start that has no answer after so long has lost its receiver.
    private static let answerSecondsMax: Int64 = 300

    private let log: SharedLog
    private let clock: @Sendable () -> Instant
    private let seal: Seal

    init(_ log: SharedLog, sealKey: SecretKey, clock: @escaping @Sendable () -> Instant) {
        self.log = log
        self.clock = clock
        seal = Seal(key: sealKey)
    }

    // MARK: Idempotency keys

    func claim(_ keyed: KeyedRequest, of userId: String, seconds: Int64) async -> Outcome {
        let (request, now) = (digest(keyed.request), clock())
        let outcome = await log.claim(
            Self.starts, key(keyed, userId), request: "\(request) \(now.seconds)", milliseconds: seconds * 1_000)
        return switch outcome {
        case .claimed: .claimed
        case .away: .claimedHere
        case .taken(let other, let answer): Self.outcome(request, now, other, answer)
        }
    }

    /// - Parameter other: what the claim was made with: a request's digest, and when.
    private static func outcome(_ request: String, _ now: Instant, _ other: String, _ answer: [UInt8]?) -> Outcome {
        let words = other.split(separator: " ")
        guard words.count == 2, let second = Int64(words[1]) else { return .underWay }
        guard words[0] == request else { return .otherRequest }
        if let answer = answer.flatMap({ KeptAnswer(shared: $0) }) { return .answered(answer) }
        return now.seconds - second > answerSecondsMax ? .withoutAnswer : .underWay
    }

    /// - Parameter answer: nil where nothing came of it: the key is given free.
    func finish(_ keyed: KeyedRequest, of userId: String, _ answer: KeptAnswer?) async {
        let key = key(keyed, userId)
        if let answer {
            try? await log.finish(Self.starts, key, answer: answer.shared)
        } else {
            try? await log.release(Self.starts, key)
        }
    }

    private func key(_ keyed: KeyedRequest, _ userId: String) -> String {
        seal.person(userId) + " " + digest(keyed.scope + "\n" + keyed.key)
    }

    private func digest(_ text: String) -> String { seal.close([], context: Array(text.utf8)) }

    // MARK: Connectors

    /// - Returns: nil when the start may go on; else when another receiver has started something there.
    func reserve(connectorId: String, at start: Instant, seconds: Int64) async -> Instant? {
        let outcome = await log.claim(
            Self.connectors, connectorId, request: "\(start.microsecondsSince1970)", milliseconds: seconds * 1_000)
        guard case .taken(let other, _) = outcome else { return nil }
        return Int64(other).map { Instant(microsecondsSince1970: $0) } ?? start
    }

    func cancel(connectorId: String) {
        Task(executorPreference: BackgroundExecutor.shared) { try? await log.release(Self.connectors, connectorId) }
    }
}

extension Seal {
    /// Stands for a person in the shared log: the same on every receiver, and of no use without the key.
    func person(_ userId: String) -> String { close([], context: Array("person \(userId)".utf8)) }
}

extension KeptAnswer {
    /// For a column: status and content type in a line each, then the body.
    fileprivate var shared: [UInt8] { Array("\(status)\n\(contentType)\n".utf8) + body }

    fileprivate init?(shared bytes: [UInt8]) {
        let parts = bytes.split(separator: UInt8(ascii: "\n"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let status = UInt16(String(decoding: parts[0], as: UTF8.self)) else { return nil }
        self.init(status: status, contentType: String(decoding: parts[1], as: UTF8.self), body: Array(parts[2]))
    }
}
