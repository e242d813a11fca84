internal import Base
internal import Dispatch

/// Takes what others have received out of the shared log, origin by origin and without gaps, into the directory's log.
///
/// How far it is it reads from what the log has, so it remembers nothing itself. Anything else than the next sequence is
/// an alarm and never a skip.
actor Puller {
    private static let countMin: Int64 = 64
    private static let countMax: Int64 = 4_096
    private static let behindMax: Int64 = 20_000
    /// More rows at a time while they are smaller than this together.
    private static let bytesGoal = 1 << 20

    private let executor = QueueExecutor(label: "chargefold.replication.pull", qos: .userInitiated)
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let shared: SharedLogContext
    private let log: any ReplicatedLog
    private let statements: ShippingStatements
    private let giver: ContestedGiver
    private var connection: PostgresConnection?
    private var count = countMin
    /// The epochs in which origins' newest places here were compared with the shared log's.
    private var compared: [Identity: Int64] = [:]

    nonisolated let work = Wakeup()

    init(_ shared: SharedLogContext, log: any ReplicatedLog) {
        self.shared = shared
        self.log = log
        statements = ShippingStatements(shared.schema)
        giver = ContestedGiver(shared, log: log)
    }

    /// Pulls until the task is cancelled.
    func run() async {
        var pause = Pause()
        while !Task.isCancelled {
            do throws(PostgresError) {
                if connection == nil { connection = try shared.connect("pull", isDurable: false) }
                while try await pullAll() {}
                pause.reset()
                await work.wait()
            } catch {
                if connection?.isUsable != true { connection = nil }
                guard error.kind != .interrupted else { return }
                await pause.sleep()
            }
        }
        connection = nil
    }

    /// Looks at every origin once.
    /// - Returns: whether there was something to pull.
    private func pullAll() async throws(PostgresError) -> Bool {
        guard let connection else { return false }
        let heads = try connection.execute(statements.heads).heads()
        try remember(heads)
        var hasPulled = false
        let state = shared.memory.current
        let frontier = log.frontier
        let others = heads.filter { head in !state.own.contains { $0.identity == head.identity } }
        note(heads)
        for head in heads where frontier[head.identity] ?? 0 < log.last(of: head.identity) {
            // Damage has taken something here, of own deliveries perhaps. What was lost before it was shipped comes back
            // as a tombstone, so that everybody knows the same of that place.
            let last = min(head.shipped, log.last(of: head.identity))
            if last > frontier[head.identity] ?? 0, try await pull(head.shipped(through: last)) { hasPulled = true }
        }
        for head in others {
            let here = frontier[head.identity] ?? 0
            try await compareNewest(of: head, through: here, connection)
            guard head.shipped > here else { continue }
            if try await pull(head) { hasPulled = true }
        }
        for contested in state.contested {
            let head = heads.first { $0.identity == contested.identity }
            try await giver.goOn(contested, head: head, connection, statements)
        }
        return hasPulled
    }

    /// An origin is shipped while it is made durable. Where its receiver loses the last of it in a crash and the database at
    /// the same time, the same places get another content, which nobody would pull who has the first one.
    private func compareNewest(
        of head: OriginHead, through here: Int64, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        guard compared[head.identity] != head.epoch, head.shipped >= here else { return }
        let newest = ContestedOrigin(
            identity: head.identity, compared: max(0, here - OwnOrigin.behindMax), shared: here, moved: here, last: here
        )
        try await giver.goOn(newest, head: head, connection, statements)
        compared[head.identity] = head.epoch
    }

    /// Notes how much is still to be pulled. Queries wait for a few deliveries, not for many.
    nonisolated func note(_ heads: [OriginHead]) {
        let (own, frontier) = (shared.memory.current.own, log.frontier)
        let behind = heads.reduce(0) { sum, head in
            own.contains { $0.identity == head.identity }
                ? sum : sum + max(0, head.shipped - (frontier[head.identity] ?? 0))
        }
        shared.status.update { condition in
            condition.behind = behind
            condition.isFarBehind = behind > Self.behindMax
        }
    }

    /// The numbers of new origins, so that they stay when the database loses them.
    private func remember(_ heads: [OriginHead]) throws(PostgresError) {
        let known = shared.memory.current.numbers
        guard heads.contains(where: { known[$0.identity] != $0.number }) else { return }
        try shared.remember { state in for head in heads { state.numbers[head.identity] = head.number } }
    }

    /// Pulls one origin up to its head; while one batch is logged the next one is read.
    private func pull(_ head: OriginHead) async throws(PostgresError) -> Bool {
        var after = log.frontier[head.identity] ?? 0
        let before = after
        var batch = try read(head, after: after)
        while let last = batch.last {
            let current = batch
            async let isLogged: StoreError? = logged(current, of: head.identity)
            after = last.sequence
            let next: Result<[SharedDelivery], PostgresError>
            do throws(PostgresError) {
                next = .success(after < head.shipped ? try read(head, after: after) : [])
            } catch {
                next = .failure(error)
            }
            if let error = await isLogged { throw PostgresError(.directory, error.message) }
            batch = try next.get()
        }
        return after > before
    }

    private func logged(_ batch: [SharedDelivery], of origin: Identity) async -> StoreError? {
        while true {
            do throws(StoreError) {
                try await log.append(batch, of: origin)
                return nil
            } catch  where error.code == .queueFull && !Task.isCancelled {
                // Callbacks go first.
                try? await Task.sleep(for: .milliseconds(20))
            } catch {
                return error
            }
        }
    }

    /// The next rows of an origin, as far as they follow each other.
    private func read(_ head: OriginHead, after sequence: Int64) throws(PostgresError) -> [SharedDelivery] {
        guard let connection else { return [] }
        let rows = try connection.execute(
            statements.read, [.int4(head.number), .integer(sequence), .integer(count)],
            patience: .milliseconds(30_000)
        ).deliveries()
        let bytes = rows.reduce(0) { $0 + $1.body.count }
        if bytes < Self.bytesGoal { count = min(count * 2, Self.countMax) }
        if bytes > 4 * Self.bytesGoal { count = max(count / 2, Self.countMin) }
        var expected = sequence
        let sound = rows.prefix { row in
            expected += 1
            return row.sequence == expected
        }
        if sound.count < rows.count || (rows.isEmpty && sequence < head.shipped) {
            shared.status.alarm("places are missing behind \(sequence + Int64(sound.count))", head.identity)
        }
        return Array(sound)
    }
}

/// How far an origin is in the shared log.
struct OriginHead: Sendable, Equatable {
    let number: Int32
    let identity: Identity
    let epoch: Int64
    let shipped: Int64

    func shipped(through last: Int64) -> OriginHead {
        OriginHead(number: number, identity: identity, epoch: epoch, shipped: last)
    }
}

extension PostgresResult {
    /// Rows of `ShippingStatements.heads`.
    borrowing func heads() -> [OriginHead] {
        (0..<rowCount).map { row in
            OriginHead(
                number: Int32(truncatingIfNeeded: integer(row, 0)), identity: identity(row, 1), epoch: integer(row, 2),
                shipped: integer(row, 3))
        }
    }
}
