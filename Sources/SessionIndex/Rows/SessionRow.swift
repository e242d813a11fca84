internal import Base
internal import CSQLite
internal import SQLite
internal import SessionModel

/// One session as a row of `sessions.sqlite`.
struct SessionRow {
    /// The log position of the session's first delivery.
    let number: Int64
    let sessionId: String
    let userId: String?
    /// The integer columns, in the order of `integerColumns`.
    let integers: [Int64?]
    /// Where the encoded record stands in the buffer that goes with the row.
    let record: Range<Int>
    /// Whether there is no row of the session yet.
    let isNew: Bool

    var orderKey: Int64 { integers[0] ?? 0 }
    var isSkewed: Int64 { integers[1] ?? 0 }
    var status: Int64 { integers[9] ?? 0 }
    var statusSince: Int64? { integers[10] }
    var expectation: Int64 { integers[12] ?? 0 }

    /// Instants are milliseconds since 1970, which SQLite keeps in six bytes.
    static let integerColumns = [
        "order_key", "skewed", "ongoing", "anomalies", "started_since", "starting_since", "stop_failing_since",
        "waits_until", "requested_at", "status", "status_since", "tie", "expectation",
    ]

    /// A session whose start lies further than this from the key it is ordered by is `skewed`: those are few, and are
    /// looked through apart, so that bounds of the start are bounds of the key for all others.
    static let skewMaxMilliseconds: Int64 = 86_400_000

    /// Encodes a record's row; the record's own bytes are added to `buffer`.
    /// - Parameter home: the identity of the log that the rows belong to.
    init(_ record: SessionRecord, home: Identity, isNew: Bool = false, into buffer: inout [UInt8]) {
        self.isNew = isNew
        number = record.number
        sessionId = record.sessionId
        userId = record.state.userId
        let start = record.state.startTime?.millisecondsSince1970
        let key = record.orderedBy.millisecondsSince1970
        // Without those that depend on the time: `started_since` and its kin stand for them.
        let anomalies = Anomaly.all(of: record, now: .earliest).reduce(0 as Int64) { $0 | $1.bit }
        integers = [
            key, Self.isSkewed(start: start, key: key) ? 1 : 0, record.isOngoing ? 1 : 0, anomalies,
            record.startedSince?.millisecondsSince1970, record.startingSince?.millisecondsSince1970,
            record.stopFailingSince?.millisecondsSince1970, record.waitsUntil?.millisecondsSince1970,
            record.requestedAt?.millisecondsSince1970, record.state.status.listCode,
            record.state.status == .complete ? nil : record.statusSinceOrFirstHeard.millisecondsSince1970, record.tie,
            record.expectation.rawValue,
        ]
        let offset = buffer.count
        record.encode(into: &buffer, home: home)
        self.record = offset..<buffer.count
    }

    private static func isSkewed(start: Int64?, key: Int64) -> Bool {
        guard let start else { return false }
        return start - key > skewMaxMilliseconds || key - start > skewMaxMilliseconds
    }
}

extension SQLiteError {
    /// A row whose record is not what was written.
    static let undecodableRow = SQLiteError(
        code: SQLITE_CORRUPT, message: "a session's row cannot be decoded", action: "reading sessions")
}
