import HTTPServer
import Logging
package import Replication
import SessionModel

/// What operators ask of the receivers that share the log.
struct ReceiverRequests: Sendable {
    let others: Others
    let logger: Logger

    /// `GET /v1/receivers`: who shares the log, and since when each was heard of.
    func list(_ call: borrowing Call<Operator>) throws(Problem) {
        guard let log = others.log else { throw .noSharedLog }
        call.exchange.answer { () async throws(Problem) in
            do throws(PostgresError) {
                let condition = log.condition
                let receivers = try await log.knownReceivers()
                return Response(
                    json: JSONWriter.bytes { writer in
                        writer.beginObject()
                        writer.key("receivers")
                        writer.beginArray()
                        for receiver in receivers {
                            receiver.write(to: &writer, condition.mismatches[receiver.name] ?? [])
                        }
                        writer.endArray()
                        writer.endObject()
                    })
            } catch {
                throw .sharedLogAway
            }
        }
    }

    /// `DELETE /v1/receivers/{name}`: declares that a receiver's disk is destroyed, so that nobody waits for it.
    func forget(_ call: borrowing Call<Operator>) throws(Problem) {
        guard let log = others.log else { throw .noSharedLog }
        call.exchange.answer { [logger, name = call.path.name] () async throws(Problem) in
            do throws(PostgresError) {
                guard try await log.forgetReceiver(name) else { return Response(.receiverNotFound) }
                logger.notice("a receiver was forgotten", metadata: ["receiver": "\(name)"])
                return Response(
                    json: JSONWriter.bytes { writer in
                        writer.beginObject()
                        writer.field("forgotten", name)
                        writer.endObject()
                    })
            } catch {
                throw .sharedLogAway
            }
        }
    }
}

extension KnownReceiver {
    /// Without what only a receiver knows.
    package var json: [UInt8] { JSONWriter.bytes { write(to: &$0) } }

    /// - Parameter differing: which of its secrets are not those of whoever tells.
    func write(to writer: inout JSONWriter, _ differing: [String] = []) {
        writer.beginObject()
        writer.field("name", name)
        writer.field("origin", origin)
        writer.field("version", version)
        writer.field("secondsSinceSeen", Int(secondsSinceSeen.rounded()))
        writer.field("accepting", isAccepting)
        writer.field("unshippedDeliveries", Int(unshipped))
        if let oldestUnshippedSeconds { writer.field("oldestUnshippedSeconds", Int(oldestUnshippedSeconds.rounded())) }
        writer.field("frontier", frontier)
        writer.key("differingSecrets")
        writer.beginArray()
        for name in differing { writer.string(name) }
        writer.endArray()
        writer.endObject()
    }
}

extension Problem {
    static let noSharedLog = Problem(
        404, "no-shared-log", "There is only this receiver: replication.url is not set.")
    static let sharedLogAway = Problem(
        503, "shared-log-away", "The shared log's database does not answer.")
    static let receiverNotFound = Problem(404, "receiver-not-found", "No receiver of that name is known.")
}
