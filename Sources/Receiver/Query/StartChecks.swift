internal import Base
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// Whether users may start sessions.
struct StartChecks: Sendable {
    let store: any SessionStore
    let others: Others
    let cooldowns: ConnectorCooldowns
    let settings: GuidanceSettings
    let clock: @Sendable () -> Instant

    /// Of those that are going on, and of all: what may be in the way has begun lately, or has not ended.
    private static let sessionsLookedAt = 50

    /// `GET /v1/users/{userId}/start-check?connectorId=…`: whether the user may start a session there now, and if not, why
    /// and from when on.
    func answer(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let query = try QueryParameters(of: call.request.head.query)
        guard let connectorId = query["connectorId"], 1...1_024 ~= connectorId.utf8.count else {
            throw .malformedQuery.with(detail: "connectorId must say where.")
        }
        let (userId, grant) = (call.path.userId, call.grant)
        others.whenCurrent(call.exchange) { [self] exchange in
            exchange.answer { () async throws(Problem) in try await check(userId, connectorId, grant) }
        }
    }

    private func check(
        _ userId: String, _ connectorId: String, _ grant: AccessGrant
    ) async throws(Problem) -> Response {
        let ongoing = SessionSelection(.ongoing(userId: userId), limit: Self.sessionsLookedAt).visible(to: grant)
        let latest = SessionSelection(.user(userId), limit: Self.sessionsLookedAt).visible(to: grant)
        do throws(StoreError) {
            let records = try await store.select(ongoing).records + store.select(latest).records
            let now = clock()
            let check = StartCheck(
                records, connectorId: connectorId, connectorStartedAt: cooldowns.latest(connectorId, now: now),
                now: now, settings: settings)
            return Response(json: check.json)
        } catch {
            throw Problem(error, .storeUnreadable)
        }
    }
}
