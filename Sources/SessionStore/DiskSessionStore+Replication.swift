package import Base
internal import EventLog
internal import Ledger
internal import Logging
package import Replication
package import SessionIndex
internal import SessionModel
internal import Synchronization

/// The data directory as replication sees it: what is received here goes out by its places, what others have received comes
/// in, into the same log and through the same fold.
extension DiskSessionStore: ReplicatedLog {
    package var origin: Identity { log.origin }

    package var frontier: [Identity: Int64] { log.placesNow.frontier }

    package func last(of origin: Identity) -> Int64 { log.placesNow.last(of: origin) }

    package func deliveries(
        of origin: Identity, after sequence: Int64, countMax: Int, bytesMax: Int
    ) throws(StoreError) -> [SharedDelivery] {
        try log.deliveries(of: origin, after: sequence, countMax: countMax, bytesMax: bytesMax).map {
            SharedDelivery($0)
        }
    }

    package func append(_ deliveries: [SharedDelivery], of origin: Identity) async throws(StoreError) {
        // What is known already need not be decoded.
        let places = log.placesNow
        let buried = buried.withLock { $0 }
        var rest = deliveries.drop { places.has(origin, $0.sequence) }
        if let erased = buried.ranges[origin] {
            rest =
                rest.map { erased.contains($0.sequence) ? .tombstone(SharedDelivery.erased, at: $0.sequence) : $0 }[...]
        }
        // One piece is decoded here while the one before is written and folded on the log's queue.
        var before: PulledPiece?
        while !rest.isEmpty {
            let piece = try PulledPiece(origin, taking: &rest, told: pulledObserver.withLock { $0 })
            if piece.undecodableCount > 0 {
                logger.warning(
                    "deliveries of another receiver cannot be read; they are kept",
                    metadata: ["count": "\(piece.undecodableCount)", "origin": "\(origin)"])
            }
            guard index.takesMore else {
                throw index.obstacle ?? StoreError(.queueFull, "session rows lag behind")
            }
            piece.append(to: log)
            try await before?.result()
            before = piece
        }
        try await before?.result()
    }

    package func appendAnew(_ deliveries: [SharedDelivery]) async throws(StoreError) {
        var rest = deliveries.filter { !LogRow.isGone(source: $0.source) }[...]
        while !rest.isEmpty {
            let wave = Array(rest.prefix(PulledPiece.countMax))
            rest = rest.dropFirst(wave.count)
            let left = Locked((count: wave.count, result: Result<Void, StoreError>.success(())))
            let result: Result<Void, StoreError> = await withCheckedContinuation { continuation in
                for delivery in wave {
                    let item = PendingDelivery(
                        source: delivery.source, body: delivery.body,
                        receivedMicroseconds: delivery.receivedMicroseconds
                    ) { outcome in
                        let all: Result<Void, StoreError>? = left.withLock { left in
                            if case .failure(let error) = outcome { left.result = .failure(error) }
                            left.count -= 1
                            return left.count == 0 ? left.result : nil
                        }
                        if let all { continuation.resume(returning: all) }
                    }
                    log.append(item)
                }
            }
            try result.get()
        }
    }

    package func beginOrigin() throws(StoreError) -> Identity { try log.beginOrigin() }

    package func observeOwn(_ observer: (@Sendable (_ origin: Identity, _ deliveries: [SharedDelivery]) -> Void)?) {
        guard let observer else { return log.observeOwn(nil) }
        log.observeOwn { origin, firstSequence, items in
            var sequence = firstSequence
            observer(
                origin,
                items.map { item in
                    defer { sequence += 1 }
                    return SharedDelivery(
                        sequence: sequence, receivedMicroseconds: item.receivedMicroseconds, source: item.source,
                        body: item.body)
                })
        }
    }

    /// Sets who is told what became of deliveries that others have received; on the log's queue, so it must return soon.
    package func observePulled(_ observer: @escaping @Sendable (IngestOutcome) -> Void) {
        pulledObserver.withLock { $0 = observer }
    }

    // MARK: What others had

    /// Until everything up to a frontier is folded, no query is answered (`catchingUp`): this receiver begins with an empty
    /// directory, or comes back after a long time.
    package func awaitOthers(_ frontier: [Identity: Int64]) {
        awaited.withLock { awaited in
            for (origin, sequence) in frontier { awaited[origin] = max(awaited[origin] ?? 0, sequence) }
            isAwaiting.store(true, ordering: .releasing)
        }
    }

    var isAwaitingOthers: Bool {
        guard isAwaiting.load(ordering: .acquiring) else { return false }
        return awaited.withLock { awaited in
            guard !awaited.isEmpty, !foldedFrontier.covers(awaited) else {
                awaited = [:]
                isAwaiting.store(false, ordering: .releasing)
                return false
            }
            return true
        }
    }

    package func whenFolded(
        _ frontier: [Identity: Int64], _ body: @escaping @Sendable () -> Void
    ) -> (@Sendable () -> Bool)? {
        foldedFrontier.wait(for: frontier, body)
    }

    /// From now on deliveries at those places come without their bodies, for ever. Durable when this returns; blocks.
    func bury(_ places: PlaceSet) throws(StoreError) {
        let here = log.placesNow
        var missing = PlaceSet()
        for (origin, sequences) in places.ranges {
            for range in sequences.ranges {
                // What is here is erased where it stands.
                for absent in here.absent(range, of: origin) { missing.insert(origin, absent) }
            }
        }
        guard !missing.isEmpty else { return }
        var all = buried.withLock { $0 }
        all.formUnion(missing)
        let bytes = all.encoded
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.setBuried(bytes) }
        buried.withLock { $0.formUnion(missing) }
    }

    /// For replication, which keeps a little beside the log.
    package var replicationMemory: any ReplicationMemory {
        get throws(StoreError) { LedgerMemory(ledger: try ledger) }
    }
}

/// Deliveries of another receiver that go into the log together.
///
/// So few that what is received here does not wait long for them.
private final class PulledPiece: Sendable {
    static let countMax = 1_024
    private static let bytesMax = 1 << 20

    private enum State {
        case running
        case awaited(CheckedContinuation<Result<Void, StoreError>, Never>)
        case done(Result<Void, StoreError>)
    }

    private let origin: Identity
    private let firstSequence: Int64
    private let rows: [PendingDelivery]
    private let state = Locked(State.running)

    /// Decodes the next of them.
    init(
        _ origin: Identity, taking rest: inout ArraySlice<SharedDelivery>, told: (@Sendable (IngestOutcome) -> Void)?
    ) throws(StoreError) {
        var completion: IngestCompletion?
        if let told {
            completion = { result in
                guard case .success(let outcome) = result, outcome.version > 0 else { return }
                told(outcome)
            }
        }
        self.origin = origin
        firstSequence = rest.first?.sequence ?? 0
        var rows: [PendingDelivery] = []
        var bytes = 0
        while let next = rest.first, rows.count < Self.countMax,
            rows.isEmpty || bytes + next.body.count <= Self.bytesMax
        {
            guard next.sequence == firstSequence + Int64(rows.count) else {
                throw StoreError(.placesMissing, "deliveries of \(origin) before \(next.sequence) are missing")
            }
            rest.removeFirst()
            bytes += next.body.count
            rows.append(
                PendingDelivery(
                    source: next.source, body: next.body, receivedMicroseconds: next.receivedMicroseconds,
                    completion))
        }
        self.rows = rows
    }

    var undecodableCount: Int { rows.count { $0.isUndecodable } }

    func append(to log: EventLog) {
        log.append(
            PulledRows(origin: origin, firstSequence: firstSequence, items: rows) { [self] result in
                let waiting = state.withLock { state -> CheckedContinuation<Result<Void, StoreError>, Never>? in
                    defer { state = .done(result) }
                    if case .awaited(let continuation) = state { return continuation }
                    return nil
                }
                waiting?.resume(returning: result)
            })
    }

    /// Waits until they are durable and folded. Once.
    func result() async throws(StoreError) {
        let result = await withCheckedContinuation { continuation in
            let done = state.withLock { state -> Result<Void, StoreError>? in
                if case .done(let result) = state { return result }
                state = .awaited(continuation)
                return nil
            }
            if let done { continuation.resume(returning: done) }
        }
        try result.get()
    }
}

extension SharedDelivery {
    fileprivate init(_ delivery: PlacedDelivery) {
        self.init(
            sequence: delivery.sequence, receivedMicroseconds: delivery.receivedMicroseconds, source: delivery.source,
            body: delivery.body)
    }
}

private struct LedgerMemory: ReplicationMemory {
    let ledger: Ledger

    func load() throws(StoreError) -> [UInt8]? {
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.replicationMemory() }
    }

    func save(_ memory: [UInt8]) throws(StoreError) {
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.setReplicationMemory(memory) }
    }
}
