import Base
import EventLog
import Ledger
import Logging
import Replication
import SessionModel
import SessionStore
import WebhookSecurity

/// Erasures that all receivers must do: whoever is asked says so in the shared log before anything is gone, and everybody
/// does what is asked there, and reports. They never expire: a receiver that was away for a year still does them.
///
/// Who is meant is known by a digest under the seal key alone, which all receivers have in common; and which deliveries by
/// their places, because not every delivery of a user's session names the user.
final class SharedErasures: Sendable {
    private let log: SharedLog
    private let store: any SessionEraser & ReplicatedLog
    private let quarantine: SharedQuarantineWork?
    /// Undoes the content coding of a quarantined body; nil where there is none.
    private let unpack: @Sendable ([UInt8]) -> [UInt8]?
    private let seal: Seal
    private let logger: Logger
    private let ledger: Ledger
    private let work: RepeatedWork
    /// How many erasures the shared log had when it was compared with what is remembered here; nil: not compared yet.
    private let compared = Locked<Int64?>(nil)

    init(
        _ log: SharedLog, _ store: any SessionEraser & ReplicatedLog, _ ledger: Ledger,
        quarantine: SharedQuarantineWork?,
        unpack: @escaping @Sendable ([UInt8]) -> [UInt8]?, sealKey: SecretKey, logger: Logger
    ) {
        self.log = log
        self.store = store
        self.ledger = ledger
        self.quarantine = quarantine
        self.unpack = unpack
        seal = Seal(key: sealKey)
        self.logger = logger
        work = RepeatedWork("an erasure of another receiver waits", logger: logger)
    }

    /// Looks every second for what others were asked.
    func start() { work.start { [self] in try await erasePending() } }

    func stop() async { await work.stop() }

    /// Others look every second; who has been heard of lately is waited for so long.
    private static let patienceSeconds = 4
    private static let heardOfSeconds = 5.0

    /// Erases a user here, and lets the others do it.
    /// - Returns: what was removed here, and which receivers have not erased yet.
    /// - Throws: `PostgresError` before anything is gone where the others cannot be told; afterwards it goes on by itself.
    func erase(userId: String) async throws -> (report: ErasureReport, outstanding: [String]) {
        let person = person(userId)
        let planned = try await places(ofUser: userId)
        let number = try await log.publishErasure(person, places: planned.text)
        let report = try await eraseHere(userId)
        try await finish(number, person, planned, userId: userId)
        try await publish(report.places.beyond(planned), person)
        return (report, try await outstanding(number))
    }

    /// Who has not erased yet. Waits a little for those that are there: who asks is told then that all is done, and need not
    /// ask again.
    private func outstanding(_ number: Int64) async throws -> [String] {
        let end = ContinuousClock.now + .seconds(Self.patienceSeconds)
        while true {
            let names = try await log.outstandingErasures(number)
            guard !names.isEmpty, ContinuousClock.now < end else { return names }
            let isWorthIt = try await log.knownReceivers().contains {
                $0.secondsSinceSeen < Self.heardOfSeconds && names.contains($0.name)
            }
            guard isWorthIt else { return names }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Tells the others what was removed here by age, so that it goes there too.
    func publish(_ places: ErasedPlaces, _ person: [UInt8] = []) async throws {
        guard !places.isEmpty else { return }
        let number = try await log.publishErasure(person, places: places.text)
        try await finish(number, person, places)
    }

    /// A shared log that has lost what receivers were asked to erase is told of it again by whoever has done it.
    private func restoreLost() async throws {
        let count = try await log.erasureCount()
        let before = compared.withLock { $0 }
        guard before.map({ count < $0 }) ?? true else { return compared.withLock { $0 = count } }
        let there = Set(
            try await log.allErasures().map { SharedErasureNote(person: $0.person, places: $0.places) })
        for done in try await ledger.sharedErasures() where !there.contains(done) {
            let number = try await log.publishErasure(done.person, places: done.places)
            try await log.reportErasure(number)
            logger.warning("the shared log has lost an erasure: it has it again", metadata: ["number": "\(number)"])
        }
        compared.withLock { $0 = count }
    }

    private func erasePending() async throws {
        try await restoreLost()
        for erasure in try await log.pendingErasures() {
            guard let places = ErasedPlaces(text: erasure.places) else {
                logger.error("an erasure in the shared log cannot be read", metadata: ["number": "\(erasure.number)"])
                continue
            }
            let report = try await eraseHere(places, erasure.person)
            try await finish(erasure.number, erasure.person, places)
            // What only this receiver had.
            try await publish(report.places.beyond(places), erasure.person)
            logger.notice(
                "what another receiver was asked to erase is erased",
                metadata: ["number": "\(erasure.number)", "deliveries": "\(report.deliveriesRemoved)"])
        }
    }

    /// Everything is gone here: now in the shared log, too, and then it is said.
    /// - Parameter userId: nil where the person is known by the digest alone.
    private func finish(
        _ number: Int64, _ person: [UInt8], _ places: ErasedPlaces, userId: String? = nil
    ) async throws {
        await log.dropKept()
        for (origin, sequences) in places.removed.ranges {
            for range in sequences.ranges { try await log.emptyShared(range, of: origin) }
        }
        for (origin, sequences) in places.redacted.ranges {
            for range in sequences.ranges {
                var after = range.lowerBound - 1
                while after < range.upperBound {
                    let read = try store.deliveries(
                        of: origin, after: after, countMax: Int(range.upperBound - after), bytesMax: 1 << 20)
                    guard let last = read.last else { break }
                    try await log.replaceShared(read, of: origin)
                    after = last.sequence
                }
            }
        }
        if !person.isEmpty {
            try await eraseQuarantined(person, userId)
            try await log.forgetClaims(of: String(decoding: person, as: UTF8.self))
        }
        // Before it is said: whoever has said so can tell it again.
        if !person.isEmpty { try await ledger.noteShared(SharedErasureNote(person: person, places: places.text)) }
        try await log.reportErasure(number)
    }

    /// Quarantined bodies that name the person, those of other receivers too. A body may name somebody of whom nothing else
    /// is here, so it is looked for by the digest of every name that a body holds.
    private func eraseQuarantined(_ person: [UInt8], _ userId: String?) async throws {
        let mentions = userId.map { UserMentions($0) }
        try await quarantine?.erase { [self] body in
            [body, unpack(body)].contains { text in
                guard let text else { return false }
                return mentions?.areNamed(in: text) == true
                    || UserMentions.names(in: text).contains { self.person($0) == person }
            }
        }
    }

    /// The same on every receiver, and of no use without the key.
    func person(_ userId: String) -> [UInt8] { Array(seal.person(userId).utf8) }

    // MARK: The store's calls

    private func places(ofUser userId: String) async throws -> ErasedPlaces {
        try await withCheckedThrowingContinuation { continuation in
            store.placesOfUser(userId) { continuation.resume(with: $0) }
        }
    }

    private func eraseHere(_ userId: String) async throws -> ErasureReport {
        try await withCheckedThrowingContinuation { continuation in
            store.eraseUser(userId) { continuation.resume(with: $0) }
        }
    }

    private func eraseHere(_ places: ErasedPlaces, _ erased: [UInt8]) async throws -> ErasureReport {
        try await withCheckedThrowingContinuation { continuation in
            store.erase(places, isUser: { [self] in !erased.isEmpty && person($0) == erased }) {
                continuation.resume(with: $0)
            }
        }
    }
}

extension ErasedPlaces {
    fileprivate var isEmpty: Bool { removed.isEmpty && redacted.isEmpty }

    /// For a column: both sets in base64, a semicolon between them.
    fileprivate var text: String {
        [removed, redacted].map { set in set.encoded.withUnsafeBytes { Base64.encode($0) } }.joined(separator: ";")
    }

    fileprivate init?(text: String) {
        let sets = text.split(separator: ";", omittingEmptySubsequences: false).map { part -> PlaceSet? in
            Base64.decode(String(part)).flatMap { PlaceSet(decoding: $0) }
        }
        guard sets.count == 2, let removed = sets[0], let redacted = sets[1] else { return nil }
        self.init()
        self.removed = removed
        self.redacted = redacted
    }

    /// Those that are not in another one.
    fileprivate func beyond(_ other: ErasedPlaces) -> ErasedPlaces {
        var rest = ErasedPlaces()
        rest.removed = removed.subtracting(other.removed)
        rest.redacted = redacted.subtracting(other.redacted)
        return rest
    }
}
