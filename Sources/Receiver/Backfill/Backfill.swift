package import Base
package import DriveAPI
import SessionIndex
internal import SessionModel
package import SessionStore

/// Reads a user's history from the Drive API, page by page, and logs what it tells as facts.
package final class Backfill: Sendable {
    /// What one page told.
    package struct Page: Sendable, Equatable {
        package var sessions = 0
        /// Sessions of which something new was learnt.
        package var news = 0
        /// Sessions that the page showed without an id or a status.
        package var unusable = 0
        /// Of the next page; nil after the last one.
        package var cursor: String?

        package init() {}
    }

    package enum Failure: Error, Sendable {
        case driveAPI(DriveAPIError)
        case store(StoreError)
    }

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

    /// Reads one page.
    ///
    /// - Parameters:
    ///   - from: bounds on the start of the sessions, both inclusive.
    ///   - cursor: from the page before; nil for the first.
    package func page(
        userId: String, from: Instant?, to: Instant?, cursor: String?
    ) async throws(Failure) -> Page {
        try await page(userId: userId, from: from, to: to, cursor: cursor) { _, _ in }
    }

    /// - Parameter onLogged: told of each session that has an id and a status.
    func page(
        userId: String, from: Instant?, to: Instant?, cursor: String?,
        onLogged: (_ sessionId: String, Observation.Logged) -> Void
    ) async throws(Failure) -> Page {
        var query = HistoryQuery()
        query.statuses = Self.statuses + (try await newStatuses())
        query.startTime = from
        query.endTime = to
        query.cursor = cursor
        return try await page(userId: userId, query, onLogged: onLogged)
    }

    /// The same of what `query` asks for, and of that what `isWanted`.
    func page(
        userId: String, _ query: HistoryQuery, isWanted: (DriveSession) -> Bool = { _ in true },
        onLogged: (_ sessionId: String, Observation.Logged) -> Void
    ) async throws(Failure) -> Page {
        let work = store.beginWork(about: userId)
        let answer = try await page(userId, query)
        var page = Page()
        for session in answer.value.sessions where isWanted(session) {
            page.sessions += 1
            guard let sessionId = session.sessionId, SessionEvent.isValid(sessionId: sessionId), session.status != nil
            else {
                page.unusable += 1
                continue
            }
            let observation = Observation(
                session, sessionId: sessionId, userId: userId, sentAt: answer.sentAt, within: work)
            guard let logged = try await log(observation) else { continue }
            if logged.isNews { page.news += 1 }
            onLogged(sessionId, logged)
        }
        // The same cursor again would have no end.
        page.cursor = answer.value.cursor == query.cursor ? nil : answer.value.cursor
        return page
    }

    /// Statuses that are new to us, as far as any session is known to have one: upstream shows none that is not named.
    private func newStatuses() async throws(Failure) -> [SessionStatus] {
        var selection = SessionSelection(.status([.failed], since: .latest), limit: Self.newStatusSessionsMax)
        selection.condition = { if case .other = $0.state.status { true } else { false } }
        do throws(StoreError) {
            return Set(try await store.select(selection).records.map(\.state.status)).sorted { $0.name < $1.name }
        } catch { throw .store(error) }
    }

    /// Sessions that are looked at for it.
    private static let newStatusSessionsMax = 500

    private func page(_ userId: String, _ query: HistoryQuery) async throws(Failure) -> DriveAPIAnswer<HistoryPage> {
        do throws(DriveAPIError) {
            return try await client.result { client.history(userId: userId, query, completion: $0) }.get()
        } catch { throw .driveAPI(error) }
    }

    /// - Returns: nil where what it is about was erased while the API was asked.
    private func log(_ observation: Observation) async throws(Failure) -> Observation.Logged? {
        do throws(StoreError) {
            return try await observation.log(in: store, clock: clock)
        } catch {
            if error.code == .erased { return nil }
            throw .store(error)
        }
    }
}
