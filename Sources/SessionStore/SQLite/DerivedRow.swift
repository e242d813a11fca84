internal import SessionModel

/// One session as a row of the derived file.
struct DerivedRow {
    /// The log position of the session's first delivery.
    let number: Int64
    let sessionId: String
    let userId: String?
    let status: String
    /// Microseconds since 1970.
    let startTime: Int64?
    /// Where the encoded record stands in the buffer that goes with the row.
    let record: Range<Int>

    /// Encodes a record's row; the record's own bytes are added to `buffer`.
    init(_ record: SessionRecord, into buffer: inout [UInt8]) {
        // The first delivery of a session is the first delivery of one of its facts.
        number = record.facts.reduce(Int64.max) { min($0, $1.position) }
        sessionId = record.sessionId
        userId = record.state.userId
        status = record.state.status.name
        startTime = record.state.startTime?.microsecondsSince1970
        let start = buffer.count
        record.encode(into: &buffer)
        self.record = start..<buffer.count
    }
}
