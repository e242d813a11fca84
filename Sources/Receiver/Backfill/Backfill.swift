import Dispatch
package import DriveAPI
package import SessionModel
package import SessionStore
import Synchronization

/// Reads a user's history from the Drive API, page by page, and logs what it tells as facts.
package final class Backfill: Sendable {
    /// How far it has come.
    package struct Progress: Sendable, Equatable {
        package var pages = 0
        package var sessions = 0
        /// Sessions of which something new was learnt.
        package var news = 0
        /// Sessions that the page showed without an id or a status.
        package var unusable = 0

        package init() {}
    }

    /// Why it ended early.
    package enum Failure: Error, Sendable {
        case driveAPI(DriveAPIError)
        case store(StoreError)
        /// Upstream gave the same cursor again, or more pages than anybody has.
        case endless
        /// Whoever asked for it has gone.
        case cancelled
    }

    /// Pages at most; at 50 sessions each, far more than a user has.
    static let pagesMax = 10_000

    private let client: DriveAPIClient
    private let store: any SessionStore
    private let clock: @Sendable () -> Instant

    package init(
        client: DriveAPIClient, store: any SessionStore, clock: @escaping @Sendable () -> Instant = SystemClock.now
    ) {
        self.client = client
        self.store = store
        self.clock = clock
    }

    /// All statuses that upstream names: its default is COMPLETE alone.
    static let statuses: [SessionStatus] = [
        .created, .waitingToStart, .started, .waitingToStop, .stopFailed, .stopped, .complete, .failed, .refunded,
        .unknown,
    ]

    /// Blocks until the history is at its end: for a queue of its own.
    ///
    /// - Parameters:
    ///   - from: bounds on the start of the sessions, both inclusive.
    ///   - progress: called after each page; false ends it.
    package func run(
        userId: String, from: Instant?, to: Instant?, progress: (Progress) -> Bool
    ) throws(Failure) -> Progress {
        var query = HistoryQuery()
        query.statuses = Self.statuses
        query.startTime = from
        query.endTime = to
        var done = Progress()
        while done.pages < Self.pagesMax {
            let answer = try page(userId, query)
            for session in answer.value.sessions {
                done.sessions += 1
                guard let sessionId = session.sessionId, SessionEvent.isValid(sessionId: sessionId),
                    session.status != nil
                else {
                    done.unusable += 1
                    continue
                }
                let observation = Observation(session, sessionId: sessionId, userId: userId, sentAt: answer.sentAt)
                if try log(observation).isNews { done.news += 1 }
            }
            done.pages += 1
            guard progress(done) else { throw .cancelled }
            guard let cursor = answer.value.cursor else { return done }
            guard cursor != query.cursor else { throw .endless }
            query.cursor = cursor
        }
        throw .endless
    }

    private func page(_ userId: String, _ query: HistoryQuery) throws(Failure) -> DriveAPIAnswer<HistoryPage> {
        let result = awaiting { done in client.history(userId: userId, query, completion: done) }
        do throws(DriveAPIError) { return try result.get() } catch { throw .driveAPI(error) }
    }

    private func log(_ observation: Observation) throws(Failure) -> Observation.Logged {
        let result = awaiting { done in observation.log(in: store, clock: clock, completion: done) }
        do throws(StoreError) { return try result.get() } catch { throw .store(error) }
    }

    private func awaiting<Value: Sendable>(_ start: (@escaping @Sendable (Value) -> Void) -> Void) -> Value {
        let done = DispatchSemaphore(value: 0)
        let value = Mutex<Value?>(nil)
        start { result in
            value.withLock { $0 = result }
            done.signal()
        }
        while true {
            done.wait()
            if let value = value.withLock({ $0 }) { return value }
        }
    }
}
