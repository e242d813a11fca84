internal import Base
import Dispatch
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// The verbatim records are read from the log here, off the event loops.
private let recordQueue = DispatchQueue(label: "chargefold.cdr", qos: .userInitiated)

/// The charge detail records of a session.
struct ChargeDetailRecords: Sendable {
    /// Records shown of one session at most, the newest.
    private static let recordsMax = 100

    let store: any SessionStore
    let others: Others

    /// `GET /v1/sessions/{sessionId}/cdr`: the session's charge detail records, each as it came.
    func answer(_ call: borrowing Call<AccessGrant>) {
        let (id, grant) = (call.path.sessionId, call.grant)
        others.whenCurrent(call.exchange) { [self] exchange in answer(id, grant, exchange) }
    }

    private func answer(_ id: String, _ grant: AccessGrant, _ exchange: Exchange) {
        others.lookUp(id, in: store, exchange) { [self] result, exchange in
            switch result {
            case .failure(let error): exchange.respond(Response(Problem(error, .storeUnreadable)))
            case .success(let session?) where grant.allows(session):
                let records = session.chargeDetailRecords.suffix(Self.recordsMax)
                guard !records.isEmpty else { return exchange.respond(Response(.noRecord)) }
                recordQueue.async { [self] in
                    do throws(StoreError) {
                        exchange.respond(Response(json: try json(of: id, Array(records))))
                    } catch {
                        exchange.respond(Response(Problem(error, .storeUnreadable)))
                    }
                }
            case .success: exchange.respond(Response(.sessionNotFound))
            }
        }
    }

    private func json(
        of id: String, _ records: [(requestId: String?, fact: Fact, variants: Int)]
    ) throws(StoreError) -> [UInt8] {
        var writer = JSONWriter(capacity: 4096)
        writer.beginObject()
        writer.field("sessionId", id)
        writer.key("records")
        writer.beginArray()
        for (requestId, fact, variants) in records {
            writer.beginObject()
            if let requestId { writer.field("requestId", requestId) }
            writer.field("receivedAt", fact.receivedAt)
            writer.field("deliveries", fact.deliveries)
            // Deliveries of one request id with different contents: the greatest in fold order is shown.
            if variants > 1 { writer.field("variants", variants) }
            if let entry = try store.logEntry(at: fact.position),
                let record = ChargeDetailRecord.verbatim(inFactBody: entry.body)
            {
                if let read = try? ChargeDetailRecord(decoding: Array(record.utf8)) {
                    writer.field(unreadTimes: read.unreadTimes)
                }
                writer.key("record")
                writer.rawJSON(Array(record.utf8))
            }
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
