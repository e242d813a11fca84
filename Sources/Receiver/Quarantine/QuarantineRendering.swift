internal import Base
package import Ledger
internal import Replication
import SessionModel

extension QuarantineEntry {
    /// The entry as JSON: without the body, or with it as text. Credentials are never shown.
    /// - Parameter receiver: who received it, where there are several.
    package func json(withBody: Bool, receiver: String? = nil) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("id", id)
        if let receiver { writer.field("receiver", receiver) }
        writer.field("kind", (kind == .verified ? "verified" : "unverified") as StaticString)
        writer.field("reason", content.reason)
        writer.field("receivedAt", content.receivedAt)
        writer.field("bodyBytes", content.body.count)
        if withBody {
            if let text = String(validating: content.body, as: UTF8.self) {
                writer.field("body", text)
            } else {
                writer.field("bodyHex", content.body.map(ASCII.hexadecimal).joined())
            }
        }
        writer.endObject()
        return writer.bytes
    }
}

extension QuarantineService.RetryResult {
    package var json: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("id", id)
        writer.field("outcome", outcome.rawValue)
        if let reason { writer.field("reason", reason) }
        if let sessionId { writer.field("sessionId", sessionId) }
        if let durability { writer.field("durability", durability.rawValue) }
        writer.endObject()
        return writer.bytes
    }
}
