internal import Base
import DriveAPI
import HTTPServer
import Ledger
import Replication
import SessionIndex
import SessionModel
import SessionStore
import Synchronization

/// Whether callbacks are being caught, and what there is, in figures.
struct Overview: Sendable {
    let store: any SessionStore
    let others: Others
    let ledger: Ledger
    let hub: LiveHub
    let metrics: ReceiverMetrics
    let samples: Samples
    let driveAPI: DriveAPIFeatures?
    let guidance: GuidanceSettings
    let clock: @Sendable () -> Instant

    /// `GET /v1/overview`
    func answer(_ call: borrowing Call<Operator>) {
        call.exchange.answer { () async throws(Problem) in
            do throws(StoreError) {
                let anomalies = store.isCatchingUp ? [] : try await countAnomalies()
                return Response(json: figures(anomalies, now: clock()))
            } catch {
                throw Problem(error, .storeUnreadable)
            }
        }
    }

    /// Sessions of one anomaly that are counted: beyond it there are just more.
    private static let anomaliesMax = 100

    private func countAnomalies() async throws(StoreError) -> [(anomaly: Anomaly, count: Int, hasMore: Bool)] {
        let now = clock()
        var counts: [(anomaly: Anomaly, count: Int, hasMore: Bool)] = []
        for anomaly in Anomaly.allCases {
            let scope = anomaly.scope(now: now, settings: guidance)
            let page = try await store.select(SessionSelection(scope, limit: Self.anomaliesMax))
            counts.append((anomaly, page.records.count, page.next != nil))
        }
        return counts
    }

    private func figures(
        _ anomalies: [(anomaly: Anomaly, count: Int, hasMore: Bool)], now: Instant
    ) -> [UInt8] {
        let latest = samples.latest
        let unavailability = store.unavailability
        return JSONWriter.bytes { writer in
            writer.beginObject()
            writer.field("now", now)
            writer.field("startedAt", samples.startedAt)
            writer.field("version", Version.current)
            writer.field("accepting", unavailability == nil && !hub.isClosing)
            if let unavailability { writer.field("reason", unavailability.code.rawValue) }
            writer.field("catchingUp", store.isCatchingUp)
            writer.key("callbacks")
            writer.callbacks(metrics, latest, now: now)
            let counts = store.statistics.index.sessions
            writer.list("sessions", SessionStatus.known.map { ($0.name, counts[$0] ?? 0) }, named: "status")
            writer.key("anomalies")
            writer.beginArray()
            for (anomaly, count, hasMore) in anomalies {
                writer.beginObject()
                writer.field("code", anomaly.rawValue)
                writer.field("explanation", anomaly.explanation)
                writer.field("count", count)
                if hasMore { writer.field("more", true) }
                writer.endObject()
            }
            writer.endArray()
            let quarantine = ledger.statistics.quarantine
            writer.key("quarantine")
            writer.beginObject()
            writer.field("verified", quarantine.verifiedCount)
            writer.field("unverified", quarantine.unverifiedCount)
            writer.endObject()
            if let condition = others.log?.condition {
                writer.key("sharedLog")
                writer.beginObject()
                writer.field("reachable", condition.isReachable)
                writer.field("unshippedDeliveries", Int(condition.unshipped))
                if let oldest = condition.oldestUnshippedMicroseconds {
                    let seconds = now.microseconds(since: Instant(microsecondsSince1970: oldest)) / 1_000_000
                    writer.field("oldestUnshippedSeconds", Int(max(0, seconds)))
                }
                if let standbys = condition.synchronousStandbys { writer.field("synchronousStandbys", standbys) }
                writer.endObject()
            }
            if let statistics = driveAPI?.metrics.statistics {
                writer.key("driveApi")
                writer.beginObject()
                writer.field("breakerOpen", statistics.breaker != .closed)
                writer.field("keyRefused", driveAPI?.metrics.isKeyRefused == true)
                writer.field("callsWaiting", statistics.waiting)
                writer.field("watched", driveAPI?.reconciler?.metrics.watched.load(ordering: .relaxed) ?? 0)
                writer.endObject()
            }
            writer.endObject()
        }
    }
}

extension JSONWriter {
    fileprivate mutating func callbacks(_ metrics: ReceiverMetrics, _ latest: Samples.Latest, now: Instant) {
        let counts = metrics.callbackCounts
        let before = latest.minutes.anHourAgo(now: now)
        beginObject()
        field("lastAt", metrics.lastCallback)
        if let usual = latest.usualPerMinute {
            key("usualPerMinute")
            rawJSON(Array("\((usual * 1000).rounded() / 1000)".utf8))
        }
        key("minutes")
        beginArray()
        for minute in latest.minutes.minutes(counts, now: now) {
            beginObject()
            field("at", minute.at)
            field("accepted", Int(minute.accepted))
            field("duplicate", Int(minute.duplicate))
            field("refused", Int(minute.refused))
            field("unavailable", Int(minute.unavailable))
            endObject()
        }
        endArray()
        key("refused")
        beginArray()
        for cause in ReceiverMetrics.RefusedCallback.allCases {
            refused(cause.rawValue, counts.refused[cause] ?? 0, before: before.refused[cause] ?? 0)
        }
        refused("unavailable", counts.unavailable, before: before.unavailable)
        endArray()
        endObject()
    }

    private mutating func refused(_ reason: String, _ total: UInt64, before: UInt64) {
        beginObject()
        field("reason", reason)
        field("lastHour", Int(total - before))
        field("total", Int(total))
        endObject()
    }

    fileprivate mutating func list(_ name: StaticString, _ counts: [(String, Int)], named member: StaticString) {
        key(name)
        beginArray()
        for (text, count) in counts {
            beginObject()
            field(member, text)
            field("count", count)
            endObject()
        }
        endArray()
    }
}
