internal import Base
import HTTPServer
import Ledger
import SessionIndex
import SessionModel
import SessionStore

/// What operators ask of downtimes.
struct DowntimeRequests: Sendable {
    let ledger: Ledger
    let account: DowntimeLedger

    /// `GET /v1/downtime?limit=n&sessions=n&id=n`: times in which callbacks could not be accepted, the newest first, with
    /// the sessions that may have missed events; and those that are not in the ledger yet.
    func list(_ call: borrowing Call<Operator>) throws(Problem) {
        let query = try QueryParameters(of: call.request.head.query)
        let limit = try query.number("limit", in: 1...1_000, else: 20)
        let sessions = try query.number("sessions", in: 0...10_000, else: 100)
        let id = query["id"] == nil ? nil : try query.number("id", in: 1...Int64.max, else: 1)
        call.exchange.answer { [ledger, account] () async throws(Problem) in
            do throws(StoreError) {
                // First: what is written meanwhile is shown twice, and not missed.
                let open = account.open
                var writer = JSONWriter(capacity: 4096)
                writer.beginObject()
                writer.key("downtimes")
                writer.beginArray()
                for downtime in try await ledger.downtimes(id: id, limit: Int(limit)) {
                    writer.downtime(downtime, try await ledger.affected(by: downtime.id, limit: Int(sessions)))
                }
                writer.endArray()
                writer.key("open")
                writer.beginArray()
                for downtime in open { writer.downtime(downtime) }
                writer.endArray()
                writer.endObject()
                return Response(json: writer.bytes)
            } catch {
                throw Problem(error, .storeUnreadable)
            }
        }
    }
}

extension JSONWriter {
    fileprivate mutating func downtime(_ downtime: OpenDowntime) {
        beginObject()
        field("from", downtime.beganAt)
        if let endedAt = downtime.endedAt { field("to", endedAt) }
        field("cause", downtime.cause.rawValue)
        endObject()
    }

    fileprivate mutating func downtime(_ downtime: Downtime, _ affected: [AffectedSession]) {
        beginObject()
        field("id", downtime.id)
        field("from", downtime.beganAt)
        field("to", downtime.endedAt)
        key("seconds")
        rawJSON(Array("\(Double(downtime.endedAt.microseconds(since: downtime.beganAt) / 1000) / 1000)".utf8))
        field("cause", downtime.cause.rawValue)
        if let gaps = downtime.gaps {
            key("nobodyAccepted")
            beginArray()
            for gap in gaps {
                beginObject()
                field("from", gap.beganAt)
                field("to", gap.endedAt)
                endObject()
            }
            endArray()
        }
        key("sessions")
        beginObject()
        field("searched", downtime.isSearched)
        if downtime.isTruncated { field("truncated", true) }
        field("affected", downtime.affectedCount)
        field("reconciled", downtime.reconciledCount)
        key("list")
        beginArray()
        for session in affected {
            beginObject()
            field("sessionId", session.sessionId)
            if let at = session.reconciledAt { field("reconciledAt", at) }
            endObject()
        }
        endArray()
        endObject()
        endObject()
    }
}
