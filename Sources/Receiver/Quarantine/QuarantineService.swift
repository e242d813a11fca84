package import Base
import Compression
package import Ledger
package import Replication
package import SessionIndex
import SessionModel
package import SessionStore
package import WebhookSecurity

/// What an operator can do with quarantined bodies: feed them in again, or drop them.
package struct QuarantineService: Sendable {
    /// What became of one entry that was retried.
    package struct RetryResult: Sendable, Equatable {
        package enum Outcome: String, Sendable {
            /// The event is in the log and counted; the entry is gone.
            case accepted
            /// The event was known already; the entry is gone.
            case duplicate
            /// The entry stays: `reason` says why.
            case refused
            /// There is no such entry.
            case unknown
        }

        package let id: Int64
        package let outcome: Outcome
        /// A stable code, where refused.
        package let reason: String?
        package let sessionId: String?
        /// Where the event is in the log: whether others have it; nil where there are none.
        package var durability: Durability?
    }

    private let store: any SessionStore
    private let ledger: Ledger
    private let authenticator: CallbackAuthenticator
    private let bodyBytesMax: Int
    private let others: Others
    /// Told what came of each delivery.
    private let noted: @Sendable (IngestOutcome) -> Void

    package init(
        store: any SessionStore, ledger: Ledger, authenticator: CallbackAuthenticator, bodyBytesMax: Int,
        others: Others = Others(), noted: @escaping @Sendable (IngestOutcome) -> Void = { _ in }
    ) {
        self.noted = noted
        self.others = others
        self.store = store
        self.ledger = ledger
        self.authenticator = authenticator
        self.bodyBytesMax = bodyBytesMax
    }

    /// Checks every entry again with today's configuration and feeds those that pass into the log; each is
    /// removed once it is durable there. After a crash in between it is there once more, which the fold absorbs.
    ///
    /// - Parameters:
    ///   - ids: the entries, or nil for all.
    ///   - progress: called after each entry.
    package func retry(_ ids: [Int64]?, progress: (RetryResult) -> Void) async throws(StoreError) {
        if let ids {
            for id in ids {
                let work = store.beginWork(about: nil)
                guard let entry = try await ledger.quarantined(id: id) else {
                    progress(RetryResult(id: id, outcome: .unknown, reason: nil, sessionId: nil))
                    continue
                }
                progress(await retry(entry, work))
            }
            return
        }
        var last: Int64 = 0
        while true {
            // Before they are read: whoever is erased from here on is not to come back.
            let work = store.beginWork(about: nil)
            let entries = try await ledger.quarantined(after: last, limit: 100)
            guard let newest = entries.last else { return }
            for entry in entries { progress(await retry(entry, work)) }
            last = newest.id
        }
    }

    /// The same for an entry that is in another receiver's ledger, and stays there.
    /// - Parameter work: begun before the entry was read: whoever is erased from there on is not to come back.
    package func retry(elsewhere entry: QuarantineEntry, _ work: WorkTicket) async -> RetryResult {
        await retry(entry, work, isHere: false)
    }

    private func retry(_ entry: QuarantineEntry, _ work: WorkTicket, isHere: Bool = true) async -> RetryResult {
        func refused(_ reason: String) -> RetryResult {
            RetryResult(id: entry.id, outcome: .refused, reason: reason, sessionId: nil)
        }
        let raw = entry.content.body
        var content = raw
        if looksLikeGzip(raw) {
            guard let unpacked = try? gunzip(raw, decompressedBytesMax: bodyBytesMax) else {
                return refused("MALFORMED_CONTENT_CODING")
            }
            content = unpacked
        }
        if entry.kind == .unverified, let problem = refusal(of: entry, raw: raw, content: content) {
            return refused(problem)
        }
        // A stray callback is what its content is.
        let isStrayRecord =
            StrayQuarantine.isStray(entry.content.reason) && (try? ChargeDetailRecord(decoding: content)) != nil
        if isStrayRecord || ChargeDetailRecordQuarantine.isRecord(entry.content.reason) {
            return await retry(record: content, entry, work, isHere)
        }
        let event: SessionEvent
        do throws(EventError) {
            event = try SessionEvent.decode(content, limits: .callbacks(bodyBytesMax: bodyBytesMax))
        } catch {
            return refused(error.code.rawValue)
        }
        return await append(
            Delivery(
                event: event, body: UTF8ByteOrderMark.dropped(from: content), receivedAt: entry.content.receivedAt),
            of: entry.id, isHere, within: work)
    }

    private func retry(
        record content: [UInt8], _ entry: QuarantineEntry, _ work: WorkTicket, _ isHere: Bool
    ) async -> RetryResult {
        do throws(EventError) {
            let record = try ChargeDetailRecord(decoding: content)
            let receivedAt = entry.content.receivedAt
            let known = record.timestamp == nil ? try? await store.session(record.sessionId) : nil
            return await append(
                try record.delivery(
                    at: known?.timestamp(ofUndated: record) ?? receivedAt, receivedAt: receivedAt), of: entry.id,
                isHere, within: work)
        } catch {
            return RetryResult(id: entry.id, outcome: .refused, reason: error.code.rawValue, sessionId: nil)
        }
    }

    /// The code of what is still wrong with the credentials, or nil.
    private func refusal(of entry: QuarantineEntry, raw: [UInt8], content: [UInt8]) -> String? {
        guard let evidence = CredentialEvidence(decoding: entry.content.credentials) else {
            return "CREDENTIALS_UNREADABLE"
        }
        let seconds = entry.content.receivedAt.seconds
        var result = CallbackAuthentication.authentic(.unverified)
        for candidate in [raw, content] {
            result = candidate.withUnsafeBytes {
                authenticator.authenticate(body: $0, evidence: evidence, receivedAtSeconds: seconds)
            }
            if case .authentic = result { return nil }
        }
        return switch result {
        case .authentic: nil
        case .missing(let problem), .wrong(let problem): problem.code.rawValue
        }
    }

    private func append(
        _ delivery: Delivery, of id: Int64, _ isHere: Bool, within work: WorkTicket
    ) async -> RetryResult {
        func refused(_ code: StoreError.Code) -> RetryResult {
            RetryResult(id: id, outcome: .refused, reason: code.rawValue, sessionId: nil)
        }
        do throws(StoreError) {
            let outcome = try await store.append(delivery, within: work)
            noted(outcome)
            // An entry is a second copy of what it holds: first another one has it.
            let durability = await withCheckedContinuation { continuation in
                others.acknowledge(outcome, always: true) { continuation.resume(returning: $0) }
            }
            // Where this fails it is retried once more, and then a duplicate.
            if isHere { _ = try await ledger.removeQuarantined([id]) }
            return RetryResult(
                id: id, outcome: outcome.duplicate ? .duplicate : .accepted, reason: nil, sessionId: outcome.sessionId,
                durability: durability)
        } catch {
            return refused(error.code)
        }
    }
}
