package import Base
package import SessionModel

extension DriveSession {
    /// The body to log for this answer as a fact; `SessionEvent.decode(_:source:)` with source `driveApi` reads it.
    ///
    /// **What is in it.** The session as it came, but for three things. Its `duration` is left out as long as the session
    /// runs: it is a clock reading, other at every look. `userId` is the one asked about, where the API gives none. And an
    /// answer that names no status, as one to a payment may, has that of the session where it is final: a fact of the
    /// Drive API's has one.
    ///
    /// **Its timestamp** is the moment of the observation, namely when the request was sent (`DriveAPIAnswer.sentAt`):
    /// what the API said was true no earlier, so whatever happens from then on has a later timestamp and decides over it.
    /// It is cut as `OwnTimestamp` says, unless the status is final or there is none: then no rank has to decide within a
    /// second, but which of two answers came later (a debt, and what another try to take the payment was answered with).
    /// The fold stays order-free: a fact's timestamp never changes once it is logged.
    ///
    /// - Parameters:
    ///   - sessionId: the one asked about.
    ///   - record: what is known of the session before this answer.
    package func observationBody(
        sessionId: String, userId: String?, sentAt: Instant, record: SessionRecord? = nil
    ) -> [UInt8] {
        var writer = JSONWriter(capacity: json.bytes.count + 120)
        writer.beginObject()
        writer.field("event", EventName.driveApiSession.text)
        writer.key("payload")
        writer.beginObject()
        writer.field("sessionId", sessionId)
        writer.field("timestamp", isOrderedByTimeAlone ? sentAt : OwnTimestamp.of(sentAt, knowing: record))
        if let user = self.userId ?? userId {
            writer.field("userId", user)
        }
        if json.member("sessionStatus") == nil, let status = record?.state.status, status.isFinal {
            writer.field("sessionStatus", status.name)
        }
        for (name, value) in json.members {
            switch name {
            case "sessionId", "timestamp", "userId": continue
            case "duration" where isRunning: continue
            default:
                writer.key(name)
                writer.json(value)
            }
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    private var isOrderedByTimeAlone: Bool {
        status.map { $0.isFinal } ?? true
    }

    private var isRunning: Bool {
        switch status {
        case .stopped, .complete, .refunded: false
        default: true
        }
    }
}

/// The timestamp of a fact that we make ourselves, out of a request of our own or of an answer of the API.
///
/// The API cuts the timestamps of its callbacks to the whole second. Something that happens 0.3 s after a stop of ours
/// may so look older than the stop, and be overruled by it. So our own facts are cut the same way: within a second the
/// rank decides, and ranks rise along a session's life. Where callbacks of the session are known to carry fractions, as
/// the API's older ones do, ours keep theirs.
package enum OwnTimestamp {
    /// - Parameter record: what is known of the session, if anything.
    package static func of(_ instant: Instant, knowing record: SessionRecord?) -> Instant {
        let isExact = record?.facts.contains { $0.source == .webhook && $0.timestamp.nanoseconds != 0 } ?? false
        return isExact ? instant : Instant(seconds: instant.seconds)
    }
}

extension SessionRecord {
    /// Whether an observation made with `DriveSession.observationBody` is worth a fact: whether it says anything that is
    /// not known. A caller skips the others, so that polling a session that does not change adds nothing to the log.
    ///
    /// It is news when its content differs from that of the latest observation, or when the status that follows from the
    /// facts is another than the one observed, and the observation would change that: then a callback or a request of our
    /// own has come between, and the API contradicts it.
    package func isNews(_ observation: SessionEvent) -> Bool {
        guard let latest = facts.last(where: { $0.source == .driveApi }), latest.payload == observation.payload else {
            return true
        }
        return observation.status != state.status && wouldDecide(observation)
    }
}
