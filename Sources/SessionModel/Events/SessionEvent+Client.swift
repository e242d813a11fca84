package import Base

extension SessionEvent {
    /// What one of our own clients did with a session.
    package enum ClientAction: Sendable, Hashable {
        /// Asked the Drive API to start it: WAITING_TO_START.
        case start
        /// Asked the Drive API to stop it: WAITING_TO_STOP.
        case stop
        /// Gave it up. Changes no status.
        case abandon
    }

    /// The body to log for a client's action; `decode(_:source:)` with source `client` reads it.
    ///
    /// - Parameter connectorId: where the session was to start, for the cooldown of the connector.
    package static func clientBody(
        _ action: ClientAction, sessionId: String, userId: String?, connectorId: String? = nil, at timestamp: Instant
    ) -> [UInt8] {
        let name: EventName =
            switch action {
            case .start: .startRequested
            case .stop: .stopRequested
            case .abandon: .sessionAbandoned
            }
        var writer = JSONWriter(capacity: 200)
        writer.beginObject()
        writer.key("event")
        writer.string(name.text)
        writer.key("payload")
        writer.beginObject()
        writer.key("sessionId")
        writer.string(sessionId)
        writer.key("timestamp")
        writer.instant(timestamp)
        if let userId {
            writer.key("userId")
            writer.string(userId)
        }
        if let connectorId {
            writer.key("connectorId")
            writer.string(connectorId)
        }
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }
}
