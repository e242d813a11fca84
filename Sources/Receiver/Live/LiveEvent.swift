internal import Base
import SessionModel

/// One change of a session, as live streams tell it.
struct LiveEvent: Sendable {
    /// The name of the Server-Sent Event. Part of the interface.
    enum Kind: String, Sendable {
        /// A fact that changed the status.
        case status
        /// A notice that a fee will apply.
        case fee
        /// A fact that did not change the status: it came late, told more, or has a name that is not known.
        case fact
        /// Time alone changed the status to go by.
        case effectiveStatus = "effective-status"
        /// A fee starts to apply now.
        case feeApplies = "fee-applies"
    }

    let id: LiveEventId
    let kind: Kind
    /// The session right after the change.
    let outline: SessionOutline
    /// When it happened: a delivery was received, or a limit was reached.
    let at: Instant
    let effectiveStatus: SessionStatus
    /// The notices that the event is about (`fee-applies`).
    var fees: Timeline.Fees?

    /// The event in the form of a Server-Sent Event (HTML Living Standard, section 9.2).
    var bytes: [UInt8] {
        var writer = JSONWriter(capacity: 768)
        writer.beginObject()
        writer.field("type", kind.rawValue)
        writer.field("at", at)
        writer.key("session")
        writer.beginObject()
        outline.state.write(to: &writer)
        if outline.feesTotal > outline.state.fees.count { writer.field("feesTotal", outline.feesTotal) }
        if outline.userIdsTotal > outline.state.userIds.count { writer.field("userIdsTotal", outline.userIdsTotal) }
        writer.field("effectiveStatus", effectiveStatus.name)
        writer.endObject()
        if let fees {
            writer.key("fees")
            writer.beginArray()
            for fee in fees.notices { fee.writeObject(to: &writer) }
            writer.endArray()
            if fees.total > fees.notices.count { writer.field("feesTotal", fees.total) }
        }
        writer.endObject()
        let data = writer.bytes
        var bytes: [UInt8] = []
        bytes.reserveCapacity(data.count + 64)
        bytes += "id: \(id.text)\nevent: \(kind.rawValue)\ndata: ".utf8
        // JSON text has no line breaks: one data line will do.
        bytes += data
        bytes += "\n\n".utf8
        return bytes
    }
}
