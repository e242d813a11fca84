internal import Base
package import EventLog
package import Logging
package import SessionIndex
package import SessionModel

package let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A session event's body.
package func body(_ name: String, _ session: String, at seconds: Int64, extra: String = "") -> [UInt8] {
    let timestamp = Instant(seconds: 1_760_000_000 + seconds).rfc3339
    return Array(
        #"{"event":"\#(name)","payload":{"sessionId":"\#(session)","timestamp":"\#(timestamp)"\#(extra)}}"#.utf8)
}

package func delivery(_ name: String, _ session: String, at seconds: Int64, extra: String = "") throws -> Delivery {
    let bytes = body(name, session, at: seconds, extra: extra)
    return Delivery(
        event: try SessionEvent.decode(bytes), body: bytes,
        receivedAt: Instant(microsecondsSince1970: 1_770_000_000_000_000 + seconds))
}

/// Small, so that there are many segments; and nothing happens by itself.
package func manualLogOptions() -> LogOptions {
    var options = LogOptions()
    options.segmentBytes = 64 << 10
    options.preparedBytes = 0
    options.watchMilliseconds = 0
    options.probeMilliseconds = 3_600_000
    options.proofPauseMilliseconds = 0
    return options
}

/// Rows are written when the test says so.
package func manualIndexOptions() -> IndexOptions {
    var options = IndexOptions()
    options.writesBehindAutomatically = false
    // Small, so that sessions lie in many partitions, of several sizes.
    options.positionsPerPartition = 4
    return options
}

/// What a log says of every session, folded without the index.
package func pureFold(_ log: EventLog) throws -> [SessionKey: SessionRecord] {
    var records: [SessionKey: SessionRecord] = [:]
    try log.read(after: 0) { (row) throws(Never) in
        guard let event = row.event() else { return true }
        records[SessionKey(event.sessionId), default: SessionRecord(sessionId: event.sessionId)]
            .apply(event, position: row.position, receivedAt: row.receivedAt, place: row.place)
        return true
    }
    return records
}
