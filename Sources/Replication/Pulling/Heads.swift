internal import Base
internal import Dispatch

/// How far every origin is in the shared log now: one question at a time, shared by all who ask while it is on its way.
///
/// Whoever asks gets an answer to a question that was sent after he asked; so whatever was acknowledged as replicated
/// before is in it (Raft's ReadIndex, with the database in the leader's place).
actor Heads {
    private let executor = QueueExecutor(label: "chargefold.replication.heads", qos: .userInitiated)
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    typealias Completion = @Sendable ([OriginHead]?) -> Void

    private struct State {
        var waiting: [Completion] = []
        var isAsking = false
        /// Nobody waits for a database that did not answer the last time, until it has.
        var isAway = true
    }

    private let shared: SharedLogContext
    private let state = Locked(State())
    private let statements: ShippingStatements
    private var connection: PostgresConnection?
    private var nextTry = ContinuousClock.now

    init(_ shared: SharedLogContext) {
        self.shared = shared
        statements = ShippingStatements(shared.schema)
    }

    /// Calls back once, from another thread, or at once with nil: the database is away.
    nonisolated func ask(_ completion: @escaping Completion) {
        let (isAway, isFirst) = state.withLock { state in
            guard !state.isAway else { return (true, false) }
            state.waiting.append(completion)
            defer { state.isAsking = true }
            return (false, !state.isAsking)
        }
        if isAway { return completion(nil) }
        if isFirst { executor.queue.async { self.assumeIsolated { $0.answerAll() } } }
    }

    /// Asks for itself; where there is no connection that is how one comes back. To be called now and then.
    @discardableResult
    func lookAgain() -> [OriginHead]? { question() }

    func close() {
        connection = nil
        state.withLock { $0.isAway = true }
    }

    private func answerAll() {
        while true {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                if state.waiting.isEmpty { state.isAsking = false }
                return state.waiting
            }
            guard !waiting.isEmpty else { return }
            let heads = question()
            for completion in waiting { completion(heads) }
        }
    }

    private func question() -> [OriginHead]? {
        do throws(PostgresError) {
            if connection?.isUsable != true {
                connection = nil
                connection = try shared.connect("heads", isDurable: false)
            }
            let heads = try connection?.execute(
                statements.heads, patience: .milliseconds(shared.settings.localAfterMilliseconds)
            ).heads()
            state.withLock { $0.isAway = heads == nil }
            return heads
        } catch {
            state.withLock { $0.isAway = true }
            connection = nil
            return nil
        }
    }
}
