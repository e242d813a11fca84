internal import Base
import SessionModel

/// A callback on its way out.
package struct Callback: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable {
        case event, detailRecord
    }

    package let kind: Kind
    package let body: [UInt8]
    let secret: CallbackFate.Secret
    /// The session, and the place in its list of callbacks.
    let session: Int
    let index: Int
    /// Of a detail record: how often it has been sent before.
    var attempt = 0
}

/// What became of a callback.
struct CallbackRecord: Sendable {
    let name: String
    let timestamp: Instant
    var fate: CallbackFate
    /// How often it has left.
    var sent = 0
    /// The status of each answer; 0 where there was none.
    var answers: [Int] = []

    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.field("event", name)
        writer.field("timestamp", timestamp)
        writer.field("fate", fate.isDropped ? "dropped" : fate.delays.count > 1 ? "repeated" : "sent")
        writer.field("secret", fate.secret.rawValue)
        writer.field("sent", sent)
        writer.key("answers")
        writer.beginArray()
        for answer in answers { writer.integer(answer) }
        writer.endArray()
        writer.endObject()
    }
}

enum CallbackBody {
    /// The body of a Session Event callback, with the members in the order of the documented samples.
    ///
    /// - Parameter hasFraction: microseconds in timestamps, as the API used to write them; else whole seconds.
    static func event(
        _ name: String, sessionId: String, userId: String, timestamp: Instant, hasFraction: Bool
    ) -> [UInt8] {
        func cut(_ instant: Instant) -> Instant { hasFraction ? instant : Instant(seconds: instant.seconds) }
        let isFee = name == "SESSION_FEE_INCURRING"
        var writer = JSONWriter(capacity: 200)
        writer.beginObject()
        writer.field("event", name)
        writer.key("payload")
        writer.beginObject()
        if !isFee { writer.field("userId", userId) }
        writer.field("sessionId", sessionId)
        writer.field("timestamp", cut(timestamp))
        if isFee {
            writer.field("feeWillApplyFrom", cut(timestamp.adding(seconds: 600)))
            writer.field("feeType", "BLOCKING")
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}
