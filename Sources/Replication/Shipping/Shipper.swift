internal import Base
internal import Dispatch
internal import Logging

/// Ships what is received here: connect, read what is shipped, send what follows, over one connection, in order.
///
/// A store-and-forward after an outage, an answer that was lost, a failover and a database that was restored are this one
/// way. Deliveries are shipped while they are made durable here, so that whoever waits for both waits for the longer one. A
/// directory that a crash has left without the last of them takes them back before it goes on.
actor Shipper {
    /// An origin that this directory may ship under.
    private struct Right {
        let origin: Identity
        let number: Int32
        let epoch: Int64
        var shipped: Int64
        /// Committed without a warning up to here.
        var confirmed: Int64
    }

    /// What one statement carries at most.
    private static let countMax = 2_048
    private static let bytesMax = 4 << 20
    /// A try that another commit got in the way of is repeated so often.
    private static let triesMax = 8

    private let executor = QueueExecutor(label: "chargefold.replication.ship", qos: .userInitiated)
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let shared: SharedLogContext
    private let log: any ReplicatedLog
    private let backlog: OwnBacklog
    private let waiters: ShippedWaiters
    private let statements: ShippingStatements
    private var connection: PostgresConnection?
    /// The one that is received under last.
    private var rights: [Right] = []
    private var nextLook = ContinuousClock.now

    nonisolated let work = Wakeup()
    /// Raised whenever the right to an origin is certain.
    nonisolated let registered = Wakeup()
    /// Told whenever something was shipped that others may pull.
    private let onShipped: @Sendable () -> Void

    init(
        _ shared: SharedLogContext, log: any ReplicatedLog, backlog: OwnBacklog, waiters: ShippedWaiters,
        onShipped: @escaping @Sendable () -> Void
    ) {
        self.shared = shared
        self.log = log
        self.backlog = backlog
        self.waiters = waiters
        self.onShipped = onShipped
        statements = ShippingStatements(shared.schema)
    }

    /// Ships until the task is cancelled.
    func run() async {
        var pause = Pause()
        while !Task.isCancelled {
            do throws(PostgresError) {
                if connection == nil {
                    connection = try shared.connect("ship", prepares: true)
                    rights = []
                }
                try await lookNowAndThen()
                try await shipAll()
                shared.status.reached()
                pause.reset()
                await work.wait()
            } catch {
                if connection?.isUsable != true || error.isOfSchema { connection = nil }
                guard error.kind != .interrupted else { return }
                // Nobody waits for a database that cannot be reached.
                waiters.becomeAway()
                shared.status.failed(error)
                await pause.sleep()
            }
        }
        connection = nil
    }

    /// Returns once nothing is being shipped that was read before.
    func pass() {}

    /// Looks whether the database still says what it said: it may have lost its tail, or everything, without anybody's
    /// having anything to ship.
    private func lookNowAndThen() async throws(PostgresError) {
        guard nextLook <= .now else { return }
        for right in rights {
            guard let index = rights.firstIndex(where: { $0.origin == right.origin }) else { continue }
            let row = try self.row(of: right.origin)
            if row?.epoch != right.epoch || row?.shipped != right.shipped { try await lookAgain(index) }
        }
        nextLook = .now + .seconds(1)
    }

    // MARK: Shipping

    private func shipAll() async throws(PostgresError) {
        repeat {
            try await register()
            for index in rights.indices.reversed() where rights[index].origin != log.origin { try await drain(index) }
            guard let index = rights.lastIndex(where: { $0.origin == log.origin }) else { continue }
            while try await shipNext(index) {}
            if rights.indices.contains(index) { try await confirm(index) }
        } while rights.last?.origin != log.origin
        if let right = rights.last, right.confirmed >= log.last(of: right.origin) { waiters.becomeNear() }
    }

    /// Ships what an earlier run has left of another origin, and lets the origin go.
    private func drain(_ index: Int) async throws(PostgresError) {
        let origin = rights[index].origin
        while rights.indices.contains(index), rights[index].origin == origin, try await shipNext(index) {}
        guard rights.indices.contains(index), rights[index].origin == origin else { return }
        try await confirm(index)
        guard rights[index].confirmed >= log.last(of: origin) else { return }
        try shared.remember { state in state.own.removeAll { $0.identity == origin } }
        rights.remove(at: index)
    }

    /// Ships one batch.
    /// - Returns: whether there was something.
    private func shipNext(_ index: Int) async throws(PostgresError) -> Bool {
        guard rights.indices.contains(index) else { return false }
        let batch = try next(of: rights[index])
        if !batch.isEmpty { try await ship(index, batch) }
        return !batch.isEmpty
    }

    private func ship(_ index: Int, _ batch: [SharedDelivery]) async throws(PostgresError) {
        guard let connection, let last = batch.last else { return }
        let right = rights[index]
        guard last.sequence == right.shipped + Int64(batch.count) else {
            throw PostgresError(.directory, "the log does not have all places of \(right.origin)")
        }
        do throws(PostgresError) {
            let result = try connection.execute(
                statements.ship,
                [
                    .int4(right.number), .integer(last.sequence), .integer(right.epoch), .integer(right.shipped),
                    .sequences(batch), .received(batch), .sources(batch), .bodies(batch),
                ], patience: shared.patience(for: connection.backend))
            guard result.changedCount == batch.count else { return try await lookAgain(index) }
            rights[index].shipped = last.sequence
            if result.hasWarning {
                shared.status.sawWarning(result.notices)
            } else {
                confirmed(index)
            }
        } catch {
            guard error.sqlState == PostgresError.State.uniqueViolation else { throw error }
            try await compare(index, batch)
        }
    }

    private func next(of right: Right) throws(PostgresError) -> [SharedDelivery] {
        let kept = backlog.take(
            right.origin, after: right.shipped, countMax: Self.countMax, bytesMax: Self.bytesMax)
        if !kept.isEmpty { return kept }
        guard log.last(of: right.origin) > right.shipped else { return [] }
        let read = try shared.local { () throws(StoreError) in
            try log.deliveries(
                of: right.origin, after: right.shipped, countMax: Self.countMax, bytesMax: Self.bytesMax)
        }
        if let first = read.first(where: { $0.receivedMicroseconds > 0 }) {
            backlog.noteOldest(right.origin, first.receivedMicroseconds)
        }
        return read
    }

    private func confirmed(_ index: Int) {
        rights[index].confirmed = rights[index].shipped
        let right = rights[index]
        if right.origin == log.origin { waiters.confirm(right.confirmed, of: right.origin) }
        shared.status.shipped(right.origin, through: right.confirmed)
        onShipped()
    }

    /// After a commit with a warning: nobody knows whether a standby has it. A later commit without one says so, for the
    /// standby gets them in order.
    private func confirm(_ index: Int) async throws(PostgresError) {
        guard let connection, rights[index].confirmed < rights[index].shipped else { return }
        let right = rights[index]
        let result = try connection.execute(
            statements.confirm, [.int4(right.number), .integer(right.epoch)],
            patience: shared.patience(for: connection.backend))
        guard result.changedCount == 1 else { return try await lookAgain(index) }
        if !result.hasWarning { confirmed(index) }
    }

    /// The fence has not let a batch pass: what is shipped is not what we believe, or the origin is not ours any more.
    private func lookAgain(_ index: Int) async throws(PostgresError) {
        let right = rights.remove(at: index)
        guard let own = shared.memory.current.own.first(where: { $0.identity == right.origin }) else { return }
        if let row = try self.row(of: right.origin), row.epoch == right.epoch, row.holder == own.holder,
            row.shipped <= log.last(of: right.origin)
        {
            let again = Right(
                origin: right.origin, number: row.number, epoch: row.epoch, shipped: row.shipped,
                confirmed: min(right.confirmed, row.shipped))
            return rights.insert(again, at: index)
        }
        // Everything else is decided where it is decided at a start.
        try await register()
    }

    /// Some of the batch's places are taken. With the same content they are ours; with another one the origin is not.
    private func compare(_ index: Int, _ batch: [SharedDelivery]) async throws(PostgresError) {
        guard let connection else { return }
        let right = rights[index]
        let result = try connection.execute(
            statements.read, [.int4(right.number), .integer(right.shipped), .integer(Int64(batch.count))],
            patience: .milliseconds(30_000))
        let there = Dictionary(result.deliveries().map { ($0.sequence, $0) }) { first, _ in first }
        let same = batch.prefix { there[$0.sequence].map($0.isSame) ?? false }
        if let last = same.last {
            let skipped = try connection.execute(
                statements.skip,
                [.int4(right.number), .integer(last.sequence), .integer(right.epoch), .integer(right.shipped)])
            guard skipped.changedCount == 1 else { return try await lookAgain(index) }
            rights[index].shipped = last.sequence
            return
        }
        // Those that are there lie behind a gap, which is filled.
        let missing = batch.prefix { there[$0.sequence] == nil }
        if !missing.isEmpty { return try await ship(index, Array(missing)) }
        shared.status.alarm("the shared log has another content at a place of this receiver's", right.origin)
        rights.remove(at: index)
        // Whoever put it there did not say so: everybody is to pull it.
        var shipped = right.shipped
        while there[shipped + 1] != nil { shipped += 1 }
        _ = try connection.execute(
            statements.skip,
            [.int4(right.number), .integer(shipped), .integer(right.epoch), .integer(right.shipped)])
        try give(up: right.origin, shared: shipped)
    }

    // MARK: Rights

    /// Gets the right to every own origin that has none yet; the one that is received under is the last.
    private func register() async throws(PostgresError) {
        let current = log.origin
        try shared.remember { $0.add(own: current) }
        for own in shared.memory.current.own where !rights.contains(where: { $0.origin == own.identity }) {
            if let right = try await register(own.identity) { rights.append(right) }
        }
        // Losing the one that is received under makes another one.
        if log.origin != current { return try await register() }
        if let index = rights.firstIndex(where: { $0.origin == current }), index != rights.count - 1 {
            rights.append(rights.remove(at: index))
        }
    }

    private func register(_ origin: Identity) async throws(PostgresError) -> Right? {
        for _ in 0..<Self.triesMax {
            guard let own = shared.memory.current.own.first(where: { $0.identity == origin }) else { return nil }
            let row = try self.row(of: origin)
            let last = log.last(of: origin)
            switch own.claim(on: row, last: last) {
            case .insert, .raise: break
            case .behind:
                if let row, try await takeBack(row, of: origin, after: last) { continue }
                fallthrough
            case .lost:
                try give(up: origin, shared: row?.shipped ?? 0)
                return nil
            }
            let token = Identity.random()
            try shared.remember(origin) { own in own.tries = (own.tries + [token]).suffix(OwnOrigin.triesMax) }
            let epoch = max(own.epoch, row?.epoch ?? 0) + 1
            let commit = try commit(
                own, row, epoch: epoch, token: token,
                number: shared.memory.current.numbers[origin] ?? OwnOrigin.number(of: origin))
            // Another one was faster, which may have been ourselves in another connection.
            guard commit.changedCount == 1, let mine = try self.row(of: origin), mine.holder == token else { continue }
            try shared.remember { state in
                state.numbers[origin] = mine.number
                guard let index = state.own.firstIndex(where: { $0.identity == origin }) else { return }
                state.own[index].number = mine.number
                state.own[index].epoch = epoch
                state.own[index].holder = token
                state.own[index].tries = []
                if !commit.hasWarning { state.own[index].confirmed = max(own.confirmed, min(mine.shipped, last)) }
            }
            let right = Right(
                origin: origin, number: mine.number, epoch: epoch, shipped: mine.shipped,
                confirmed: commit.hasWarning ? min(own.confirmed, mine.shipped) : mine.shipped)
            shared.status.registered(origin, through: right.confirmed)
            registered.raise()
            if origin == log.origin { waiters.confirm(right.confirmed, of: origin) }
            return right
        }
        throw PostgresError(.unexpected, "the origin \(origin) is claimed by others again and again")
    }

    /// Logs what was shipped and is not here; what is being made durable just now is here then.
    /// - Returns: whether the shared log has all of it.
    private func takeBack(
        _ row: OwnOrigin.Row, of origin: Identity, after last: Int64
    ) async throws(PostgresError) -> Bool {
        guard let connection else { return false }
        let missing = row.shipped - last
        let rows = try connection.execute(
            statements.read, [.int4(row.number), .integer(last), .integer(missing)], patience: .milliseconds(30_000)
        ).deliveries()
        guard rows.count == missing, rows.last?.sequence == row.shipped else { return false }
        do throws(StoreError) {
            try await log.append(rows, of: origin)
        } catch {
            throw PostgresError(.directory, error.message)
        }
        return true
    }

    /// Takes exactly the row that was read, or makes one where there was none.
    private func commit(
        _ own: OwnOrigin, _ row: OwnOrigin.Row?, epoch: Int64, token: Identity, number: Int32
    ) throws(PostgresError) -> (changedCount: Int, hasWarning: Bool) {
        guard let connection else { throw PostgresError(.unreachable, "there is no connection") }
        var parameters: [PostgresParameter] = [
            .identity(own.identity), .integer(epoch), .identity(token), .text(shared.name),
        ]
        if let row {
            parameters += [.integer(row.epoch), .identity(row.holder), .integer(row.shipped)]
        } else {
            parameters.append(.int4(number))
        }
        let result = try connection.execute(
            row == nil ? statements.insert : statements.raise, parameters,
            patience: shared.patience(for: connection.backend))
        return (result.changedCount, result.hasWarning)
    }

    private func row(of origin: Identity) throws(PostgresError) -> OwnOrigin.Row? {
        guard let connection else { return nil }
        let result = try connection.execute(statements.find, [.identity(origin)])
        guard result.rowCount == 1 else { return nil }
        return OwnOrigin.Row(
            number: Int32(truncatingIfNeeded: result.integer(0, 0)), epoch: result.integer(0, 1),
            holder: result.identity(0, 2), shipped: result.integer(0, 3))
    }

    /// The origin is another's: what is received from now on gets a new one, and nothing that is here is lost.
    /// - Parameter through: what the shared log has of it.
    private func give(up origin: Identity, shared through: Int64) throws(PostgresError) {
        try shared.giveUp(origin, log: log, shared: through)
        waiters.becomeAway()
    }
}

extension SharedDelivery {
    /// Whether it is the same delivery, as far as anybody can still say: what takes a name out of a body leaves its size.
    func isSame(_ other: SharedDelivery) -> Bool {
        source >= Self.lost || other.source >= Self.lost
            || source == other.source && receivedMicroseconds == other.receivedMicroseconds
                && body.count == other.body.count
    }
}
