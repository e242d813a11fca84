import Base
import Dispatch
import SessionIndex
import SessionModel

@testable import SessionStore

/// A store in memory that fails on demand, or holds its answers back until the test lets them go.
final class FakeStore: SessionStore {
    enum Behaviour: Sendable {
        case works
        case fails(StoreError)
        /// The queue has no room.
        case isFull
        /// Answers wait for `release()`.
        case holds
    }

    private struct State {
        var behaviour = Behaviour.works
        var records: [SessionKey: SessionRecord] = [:]
        var log: [LoggedDelivery] = []
        var held: [@Sendable () -> Void] = []
        var readFailure: StoreError?
        var isPressed = false
        var isCatchingUp = false
    }

    private let state = Locked(State())
    /// Signalled for each answer that is held back.
    let isHolding = DispatchSemaphore(value: 0)

    static let diskFull = StoreError(.unavailable, "the disk is full")

    init(_ behaviour: Behaviour = .works) {
        state.withLock { $0.behaviour = behaviour }
    }

    func behave(_ behaviour: Behaviour) { state.withLock { $0.behaviour = behaviour } }

    func failReads(_ error: StoreError?) { state.withLock { $0.readFailure = error } }

    /// Gives all answers that were held back.
    func release() {
        let held = state.withLock { state in
            defer { state.held = [] }
            return state.held
        }
        for answer in held { answer() }
    }

    var log: [LoggedDelivery] { state.withLock { $0.log } }

    /// Runs `work` as the behaviour wants it.
    private func perform<Value: Sendable>(
        _ completion: @escaping @Sendable (Result<Value, StoreError>) -> Void,
        _ work: @escaping @Sendable () -> Value
    ) {
        switch state.withLock({ $0.behaviour }) {
        case .works: completion(.success(work()))
        case .fails(let error): completion(.failure(error))
        case .isFull: completion(.failure(StoreError(.queueFull, "the queue is full")))
        case .holds:
            state.withLock { $0.held.append { completion(.success(work())) } }
            isHolding.signal()
        }
    }

    func append(_ delivery: consuming Delivery, completion: @escaping IngestCompletion) {
        let delivery = delivery
        perform(completion) { [self] in
            state.withLock { state in
                let event = delivery.event
                let position = Int64(state.log.count + 1)
                state.log.append(
                    LoggedDelivery(
                        position: position, receivedAt: delivery.receivedAt, source: event.source, body: delivery.body))
                let key = SessionKey(event.sessionId)
                var record = state.records[key] ?? SessionRecord(sessionId: event.sessionId)
                let application = record.apply(
                    event, position: position, receivedAt: delivery.receivedAt,
                    place: Place(origin: .none, sequence: position))
                state.records[key] = record
                return IngestOutcome(
                    duplicate: application == .duplicate, sessionId: event.sessionId, status: record.state.status,
                    version: record.state.version, position: position,
                    place: Place(origin: .none, sequence: position))
            }
        }
    }

    private func reading<Value>(_ body: (State) -> Value) throws(StoreError) -> Value {
        let (value, error) = state.withLock { (body($0), $0.readFailure) }
        if let error { throw error }
        return value
    }

    func session(_ id: String, completion: @escaping @Sendable (Result<SessionRecord?, StoreError>) -> Void) {
        completion(Result { () throws(StoreError) in try reading { $0.records[SessionKey(id)] } })
    }

    @discardableResult
    func scanLog(after position: Int64, visit: (LoggedDelivery) throws(StoreError) -> Bool) throws(StoreError) -> Int64
    {
        var last = position
        for entry in log where entry.position > position {
            last = entry.position
            if try !visit(entry) { break }
        }
        _ = try reading { $0.log.count }
        return last
    }

    func check(progress: (CheckProgress) -> Void) throws(StoreError) -> CheckReport { CheckReport() }
    func flush() throws(StoreError) {}
    func close() {}

    var unavailability: StoreError? {
        switch state.withLock({ $0.behaviour }) {
        case .fails(let error): error
        case .isFull: StoreError(.queueFull, "the queue is full")
        case .works, .holds: nil
        }
    }
    var isWritable: Bool { unavailability == nil }

    /// As if the queue were half full.
    func press(_ isPressed: Bool) { state.withLock { $0.isPressed = isPressed } }
    var isUnderPressure: Bool { state.withLock { $0.isPressed } }

    /// As if a long log were being folded.
    func catchUp(_ isCatchingUp: Bool) { state.withLock { $0.isCatchingUp = isCatchingUp } }
    var isCatchingUp: Bool { state.withLock { $0.isCatchingUp } }

    var statistics: StoreStatistics {
        var statistics = StoreStatistics()
        statistics.durable = Int64(log.count)
        return statistics
    }
}
