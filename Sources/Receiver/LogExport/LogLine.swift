import SessionIndex
import SessionModel
package import SessionStore

extension LoggedDelivery {
    /// The row as a line of NDJSON, line feed included: what `export` and `GET /v1/log` write, and `replay` reads. The
    /// body stands in it as text, just as it was received.
    package var line: [UInt8] { line(cursor: LogCursor(position: position, seal: seal).text) }

    /// - Parameter cursor: with which somebody may go on behind it.
    func line(cursor: String) -> [UInt8] {
        var writer = JSONWriter(capacity: 96 + body.count * 5 / 4)
        writer.beginObject()
        writer.field("position", position)
        writer.field("cursor", cursor)
        writer.field("receivedAt", receivedAt)
        writer.field("source", source.name)
        writer.field("body", String(decoding: body, as: UTF8.self))
        writer.endObject()
        writer.newline()
        return writer.bytes
    }
}
