import Base
import SessionModel

@testable import DriveAPI
@testable import Receiver

/// Records, configurations, and what servers answer us.
extension FuzzTarget {
    /// What is kept of a charge detail record is the record.
    @Sendable static func chargeDetailRecord(_ bytes: UnsafeRawBufferPointer) {
        let body = Array(bytes)
        let record: ChargeDetailRecord
        do throws(EventError) {
            record = try ChargeDetailRecord(decoding: body)
        } catch {
            return precondition(!error.detail.isEmpty)
        }
        precondition(record.verbatim.utf8.elementsEqual(UTF8ByteOrderMark.dropped(from: body)), "not verbatim")
        precondition((try? ChargeDetailRecord(decoding: Array(record.verbatim.utf8))) == record, "another record")
    }

    /// Every key of a file that can be read has a value, or a sentence that says what is wrong with it.
    @Sendable static func configuration(_ bytes: UnsafeRawBufferPointer) {
        let file: ConfigurationFile
        do throws(ConfigurationFile.ReadFailure) {
            file = try ConfigurationFile(path: "x", bytes: Array(bytes))
        } catch {
            return precondition(!"\(error.problem)".isEmpty)
        }
        precondition(file.names.count <= bytes.count, "more keys than bytes")
        for key in ConfigurationKey.all {
            // What the file has at one key, for every kind of key.
            guard let texts = file.texts(of: key.name) ?? file.names.first.flatMap({ file.texts(of: $0) }) else {
                return
            }
            do throws(ConfigurationParser.Failure) {
                _ = try ConfigurationParser.value(texts, for: key)
            } catch {
                precondition(!error.message.isEmpty)
            }
        }
    }

    /// What the Drive API answers becomes a fact that can be decoded, or nothing.
    @Sendable static func driveAnswer(_ bytes: UnsafeRawBufferPointer) {
        _ = ReceiptAnswer(body: Array(bytes)).url
        guard let json = try? CanonicalJSON(parsing: bytes) else { return }
        _ = StartAnswer(json: json).sessionId
        for session in (HistoryPage(json)?.sessions ?? []) + [DriveSession(json)].compactMap({ $0 }) {
            _ = (session.balanceAmountMinor, session.receiptAvailable, session.evseId, session.connectorId)
            guard let sentAt = Instant(rfc3339: "2025-06-12T10:56:51.25Z") else { return }
            let body = session.observationBody(sessionId: "S", userId: "u", sentAt: sentAt)
            do throws(EventError) {
                let event = try SessionEvent.decode(body, source: .driveApi)
                precondition(event.sessionId == "S", "of another session")
                precondition(event.timestamp <= sentAt, "later than it was asked for")
            } catch {
                // A member can be what no event may have; that it can't be read is no reason.
                precondition(error.code != .invalidJSON, "our own body is no JSON: \(error)")
            }
        }
    }
}
