package import Base
internal import Dispatch
package import Logging

/// The shared log of several receivers, on PostgreSQL: each puts what it received there and takes what others received.
///
/// - **The state of a session is a function of the set of deliveries**, so receivers need no order, leader or quorum to
///   agree: they only have to end up with the same set. Each is whole by itself; without the database everything goes on.
/// - **A place's content never changes.** (Origin, sequence) names a delivery for ever; so re-shipping, double shipping and
///   shipping by others add only what is known already.
/// - **Nothing of this is on the way of a callback** but the wait for its commit, which has an end, and after an end in
///   vain nobody waits until the database has caught up.
///
/// `Receiver` makes one where `replication.url` is set, from any thread; calls back on threads of its own.
package final class SharedLog: Sendable {
    /// What a read has seen.
    package enum Consistency: String, Sendable {
        /// All that any receiver had acknowledged as replicated when it was asked.
        case strict
        /// What is here.
        case local
    }

    private let shared: SharedLogContext
    private let log: any ReplicatedLog
    private let backlog = OwnBacklog()
    private let waiters = ShippedWaiters()
    private let heads: Heads
    private let hints: Hints
    private let shipper: Shipper
    private let puller: Puller
    private let coordinator: Coordinator
    private let upkeep: Upkeep
    private let leases: Leases
    private let claims: Claims
    private let erasures: Erasures
    private let receivers: Receivers
    private let acceptance: Acceptance
    private let quarantine: SharedQuarantine
    private let work = Locked<Task<Void, Never>?>(nil)
    /// Where readers go on, those too that have waited long enough.
    private let reads = DispatchQueue(label: "chargefold.replication.reads", qos: .userInitiated)

    /// Opens nothing yet. Blocks for the ledger.
    /// - Throws: `PostgresError` of the kind `settings`, `StoreError` of the ledger.
    package init(
        _ settings: SharedLogSettings, log: any ReplicatedLog, memory: any ReplicationMemory, logger: Logger
    ) throws {
        let shared = try SharedLogContext(settings, memory: DirectoryMemory(memory), logger: logger)
        self.shared = shared
        self.log = log
        heads = Heads(shared)
        let puller = Puller(shared, log: log)
        self.puller = puller
        let hints = Hints(shared) { puller.work.raise() }
        self.hints = hints
        shipper = Shipper(shared, log: log, backlog: backlog, waiters: waiters) { hints.tell() }
        coordinator = Coordinator(shared)
        let holder = "\(settings.name) \(Identity.random())"
        leases = Leases(shared.schema, holder: holder)
        claims = Claims(shared.schema)
        erasures = Erasures(shared.schema)
        receivers = Receivers(shared.schema)
        acceptance = Acceptance(shared.schema)
        quarantine = SharedQuarantine(shared.schema)
        upkeep = Upkeep(
            shared, log: log, coordinator: coordinator, heads: heads, leases: leases, receivers: receivers,
            claims: claims, acceptance: acceptance, backlog: backlog)
        if memoryWasUnreadable {
            logger.critical("what the directory remembered of the shared log is damaged: it goes on under a new origin")
        }
    }

    private var memoryWasUnreadable: Bool { shared.memory.wasUnreadable }

    // MARK: Start and stop

    /// Begins to ship and to pull. When this returns `log.origin` is right to receive under: either the database has said
    /// so, or it did not answer within `localAfterMilliseconds`, and what is received gets a new origin, because nobody can
    /// say whether this directory is the newest of its old one.
    package func start() async throws(StoreError) {
        let (backlog, shipping) = (backlog, shipper.work)
        // Also what the directory has from before there was a shared log is to be shipped, whenever the database answers.
        try shared.memory.update { [origin = log.origin] in $0.add(own: origin) }
        log.observeOwn { origin, deliveries in
            backlog.add(origin, deliveries)
            shipping.raise()
        }
        work.withLock { work in work = Task(executorPreference: BackgroundExecutor.shared) { await self.run() } }
        let end = ContinuousClock.now + .milliseconds(shared.settings.localAfterMilliseconds)
        while !shared.status.isRegistered(log.origin), ContinuousClock.now < end {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.shipper.registered.wait() }
                group.addTask { try? await Task.sleep(until: end) }
                await group.next()
                group.cancelAll()
            }
        }
        if shared.status.isRegistered(log.origin) {
            // So that the first query finds somebody to ask, and a receiver that lacks much says so from the beginning.
            if let heads = await heads.lookAgain() { puller.note(heads) }
            return
        }
        let old = log.origin
        let new = try log.beginOrigin()
        try shared.memory.update { $0.add(own: new) }
        shipping.raise()
        shared.logger.warning(
            "the shared log does not answer: what is received until it does gets a new origin",
            metadata: ["old": "\(old)", "new": "\(new)"])
    }

    private func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.shipper.run() }
            group.addTask { await self.puller.run() }
            group.addTask { await self.hints.run() }
            group.addTask { await self.upkeep.run() }
            group.addTask { await self.beat() }
        }
        await coordinator.close()
        await heads.close()
    }

    /// Whoever missed a hint looks now and then.
    private func beat() async {
        var beats = 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(200))
            puller.work.raise()
            beats += 1
            if beats % 5 == 0 { shipper.work.raise() }
        }
    }

    /// Ships what is still to be shipped, where that goes at once, and ends everything.
    /// - Parameter milliseconds: how long to wait for the shipping, at most.
    package func stop(milliseconds: Int = 2_000) async {
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while condition.unshipped > 0, condition.isReachable, ContinuousClock.now < end {
            shipper.work.raise()
            try? await Task.sleep(for: .milliseconds(10))
        }
        let task = work.withLock { work in
            defer { work = nil }
            return work
        }
        log.observeOwn(nil)
        if task != nil {
            if condition.isReachable { try? await upkeep.look(slowly: false) }
            await upkeep.giveBack()
        }
        shared.interruption.raise()
        task?.cancel()
        await task?.value
        waiters.becomeAway()
    }

    // MARK: Callbacks

    /// Calls back once it is in the shared log, or when that takes too long.
    /// - Parameters:
    ///   - milliseconds: nil: as configured.
    ///   - always: also where callbacks are answered without that.
    package func whenShipped(
        _ sequence: Int64, of origin: Identity, milliseconds: Int? = nil, always: Bool = false,
        completion: @escaping @Sendable (Durability) -> Void
    ) {
        guard always || shared.settings.acknowledge == .replicated else { return completion(.local) }
        waiters.wait(
            for: sequence, of: origin, milliseconds: milliseconds ?? shared.settings.localAfterMilliseconds,
            completion: completion)
    }

    /// Tells of places of deliveries that are here whether they are in the shared log, as of now: those of others came from
    /// there, and own ones are there as far as it has confirmed them.
    package var durability: @Sendable (_ sequence: Int64, _ origin: Identity) -> Durability {
        let state = shared.memory.current
        var shipped: [Identity: Int64] = [:]
        // What turned out to be another's counts once it was logged once more, under a place of our own.
        for origin in state.contested { shipped[origin.identity] = origin.shared }
        for own in state.own { shipped[own.identity] = max(own.confirmed, shared.status.confirmed(own.identity)) }
        return { [shipped] sequence, origin in sequence <= shipped[origin] ?? .max ? .replicated : .local }
    }

    // MARK: Reads

    /// Whether every read asks the shared log first.
    package var readsStrictly: Bool { shared.settings.reads == .strict }

    /// Calls back once everything is folded here that any receiver has acknowledged as replicated until now, or when
    /// nobody can say so in time. From another thread.
    package func whenCurrent(_ completion: @escaping @Sendable (Consistency) -> Void) {
        heads.ask { [self] heads in
            // What the reader does with it takes its time: neither on the queue that asks nor on the one that folds.
            guard let heads else { return reads.async { completion(.local) } }
            let own = shared.memory.current.own
            var required: [Identity: Int64] = [:]
            for head in heads where !own.contains(where: { $0.identity == head.identity }) {
                required[head.identity] = head.shipped
            }
            let cancel = log.whenFolded(required) { [reads] in reads.async { completion(.strict) } }
            guard let cancel else { return }
            puller.work.raise()
            reads.asyncAfter(deadline: .now() + .milliseconds(shared.settings.localAfterMilliseconds)) {
                if cancel() { completion(.local) }
            }
        }
    }

    // MARK: Condition

    package var condition: SharedLogCondition {
        var condition = shared.status.condition
        condition.unshipped = shared.memory.current.own.reduce(0) { sum, own in
            let confirmed = max(own.confirmed, shared.status.confirmed(own.identity))
            return sum + max(0, log.last(of: own.identity) - confirmed)
        }
        condition.oldestUnshippedMicroseconds = condition.unshipped > 0 ? backlog.oldestMicroseconds : nil
        return condition
    }

    /// Whether so much of others' is still to be pulled that queries would be answered wrongly. Cheap.
    package var isFarBehind: Bool { shared.status.condition.isFarBehind }

    /// Something was erased from the log: what was read before is in the shared log when this returns, or is never shipped.
    package func dropKept() async {
        backlog.dropDurable { log.last(of: $0) }
        await shipper.pass()
    }

    /// Tells the origins' numbers in the shared log, for cursors: those that are known, and each new one before any of its
    /// deliveries is logged here.
    package func observeNumbers(_ observer: @escaping @Sendable (Identity, Int32) -> Void) {
        shared.memory.observeNumbers(observer)
    }

    // MARK: What needs one answer

    /// Whether this receiver does what one of them does at a time.
    package var isLeader: Bool { shared.status.condition.isLeader }

    /// Claims something for this receiver; `away` where the database does not answer in time.
    package func claim(
        _ scope: String, _ key: String, request: String, milliseconds: Int64
    ) async -> ClaimOutcome {
        guard shared.status.condition.isReachable else { return .away }
        do {
            return try await coordinator.perform { [claims, leases] (connection) throws(PostgresError) in
                try claims.claim(
                    scope, key, request: request, milliseconds: milliseconds, holder: leases.holder, connection)
            }
        } catch {
            return .away
        }
    }

    /// Says what a claim was answered with, for whoever asks again.
    package func finish(_ scope: String, _ key: String, answer: [UInt8]) async throws(PostgresError) {
        try await coordinator.perform { [claims, leases] (connection) throws(PostgresError) in
            try claims.finish(scope, key, answer: answer, holder: leases.holder, connection)
        }
    }

    /// Gives back a claim that came to nothing.
    package func release(_ scope: String, _ key: String) async throws(PostgresError) {
        try await coordinator.perform { [claims, leases] (connection) throws(PostgresError) in
            try claims.release(scope, key, holder: leases.holder, connection)
        }
    }

    package func publishErasure(_ person: [UInt8], places: String) async throws(PostgresError) -> Int64 {
        try await coordinator.perform { [erasures, name = shared.name] (connection) throws(PostgresError) in
            try erasures.publish(person, places: places, by: name, connection)
        }
    }

    /// How many erasures of persons there are.
    package func erasureCount() async throws(PostgresError) -> Int64 {
        try await coordinator.perform { [erasures] (connection) throws(PostgresError) in try erasures.count(connection)
        }
    }

    /// All erasures of persons, done or not.
    package func allErasures() async throws(PostgresError) -> [SharedErasure] {
        try await coordinator.perform { [erasures] (connection) throws(PostgresError) in try erasures.all(connection) }
    }

    /// What this receiver has still to erase.
    package func pendingErasures() async throws(PostgresError) -> [SharedErasure] {
        try await coordinator.perform { [erasures, name = shared.name] (connection) throws(PostgresError) in
            try erasures.pending(name, connection)
        }
    }

    package func reportErasure(_ number: Int64) async throws(PostgresError) {
        try await coordinator.perform { [erasures, name = shared.name] (connection) throws(PostgresError) in
            try erasures.report(number, by: name, connection)
        }
    }

    /// Who has not erased yet.
    package func outstandingErasures(_ number: Int64) async throws(PostgresError) -> [String] {
        try await coordinator.perform { [erasures] (connection) throws(PostgresError) in
            try erasures.outstanding(number, connection)
        }
    }

    /// Empties places in the shared log itself.
    package func emptyShared(_ places: ClosedRange<Int64>, of origin: Identity) async throws(PostgresError) {
        try await coordinator.perform { [erasures] (connection) throws(PostgresError) in
            try erasures.empty(places, of: origin, connection)
        }
    }

    /// Puts what is left of deliveries in their place in the shared log.
    package func replaceShared(_ deliveries: [SharedDelivery], of origin: Identity) async throws(PostgresError) {
        try await coordinator.perform { [erasures] (connection) throws(PostgresError) in
            try erasures.replace(deliveries, of: origin, connection)
        }
    }

    /// Claims whose keys begin with a person's digest go.
    package func forgetClaims(of person: String) async throws(PostgresError) {
        try await coordinator.perform { [claims] (connection) throws(PostgresError) in
            try claims.forget(person, connection)
        }
    }

    package func knownReceivers() async throws(PostgresError) -> [KnownReceiver] {
        try await coordinator.perform { [receivers] (connection) throws(PostgresError) in
            try receivers.list(connection)
        }
    }

    /// Takes the place of the fingerprints of the settings: the configuration was read again.
    package func replaceFingerprints(_ fingerprints: [String: String]) {
        shared.fingerprints.withLock { $0 = fingerprints }
    }

    /// Declares a receiver's disk destroyed.
    /// - Returns: whether it was known.
    package func forgetReceiver(_ name: String) async throws(PostgresError) -> Bool {
        try await coordinator.perform { [receivers, quarantine] (connection) throws(PostgresError) in
            try quarantine.forget(name, connection)
            return try receivers.forget(name, connection)
        }
    }

    // MARK: Downtimes of all receivers

    /// Callbacks are accepted here, without a break. To be called once a second or so, from any thread.
    /// - Parameters: microseconds since 1970, by this receiver's clock.
    package func accepted(since began: Int64, until: Int64) { acceptance.accepted(since: began, until: until) }

    /// Callbacks are not accepted here any more, for a while or for good.
    package func acceptanceEnded() { acceptance.ended() }

    /// The parts of a time (microseconds since 1970) in which no receiver accepted callbacks, ascending. What is a few
    /// seconds old may not have been told by everybody: ``acceptanceSeconds``.
    package func gaps(in time: Range<Int64>) async throws(PostgresError) -> [Range<Int64>] {
        guard condition.isReachable else { throw .away }
        return try await coordinator.perform { [acceptance] (connection) throws(PostgresError) in
            try acceptance.gaps(in: time, connection)
        }
    }

    /// After so long everybody who accepted callbacks has said so.
    package static let acceptanceSeconds: Int64 = 3

    // MARK: The quarantine of all receivers

    /// This receiver's name among the receivers.
    package var name: String { shared.name }

    /// Shows a body of this receiver's quarantine to the others. The same one again changes nothing.
    /// - Returns: false where another receiver has one with that id.
    package func shareQuarantined(_ item: SharedQuarantined) async throws(PostgresError) -> Bool {
        try await coordinator.perform { [quarantine] (connection) throws(PostgresError) in
            try quarantine.add(item, connection)
        }
    }

    /// Those of all receivers with ids above `id`, ascending.
    package func quarantined(after id: Int64, limit: Int64) async throws(PostgresError) -> [SharedQuarantined] {
        try await coordinator.perform { [quarantine] (connection) throws(PostgresError) in
            try quarantine.list(after: id, limit: limit, connection)
        }
    }

    /// This receiver's ids in the shared quarantine; true: somebody has retried, dropped or erased it.
    package func ownQuarantined() async throws(PostgresError) -> [Int64: Bool] {
        try await coordinator.perform { [quarantine, name] (connection) throws(PostgresError) in
            try quarantine.own(name, connection)
        }
    }

    /// Says of somebody's body that it is gone; whoever received it removes it as soon as he looks.
    /// - Returns: whether it was there.
    package func emptyQuarantined(_ id: Int64) async throws(PostgresError) -> Bool {
        try await coordinator.perform { [quarantine] (connection) throws(PostgresError) in
            try quarantine.empty(id, connection)
        }
    }

    /// Removes this receiver's own ones, which are not here any more.
    package func removeQuarantined(_ ids: [Int64]) async throws(PostgresError) {
        try await coordinator.perform { [quarantine, name] (connection) throws(PostgresError) in
            try quarantine.remove(ids, of: name, connection)
        }
    }
}
