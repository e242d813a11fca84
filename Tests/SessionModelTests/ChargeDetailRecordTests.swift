import Base
import SessionModel
import Testing

@Suite struct ChargeDetailRecordTests {
    private func code(_ body: String) -> EventError.Code? {
        do throws(EventError) {
            _ = try ChargeDetailRecord(decoding: Array(body.utf8))
            return nil
        } catch {
            return error.code
        }
    }

    @Test(arguments: [
        // Names that are known, and names that nobody knows yet.
        #"{"event":"SESSION_STARTED","payload":{"userId":"u","sessionId":"S","timestamp":"2026-11-27T15:05:00Z"}}"#,
        #"{"event":"SESSION_PAUSED","payload":{"userId":"u","sessionId":"S","timestamp":"2026-11-27T15:05:00Z"}}"#,
        #"{"event":"session_paused","payload":{"sessionId":"S"}}"#, #"{"event":"X","sessionId":"S"}"#,
        #"{"event":"","payload":{"sessionId":"S"}}"#, #"{"event":5,"payload":{"sessionId":"S"}}"#,
        #"{"event":["SESSION_PAUSED"],"payload":{"sessionId":"S"}}"#,
        // Not even with some of what records have.
        #"{"event":"SESSION_METER","payload":{"sessionId":"S","energy":{"unit":"WH","value":5}}}"#,
        #"{"event":"SESSION_PRICED","payload":{"sessionId":"S","price":{"minorInclVat":5},"startTime":"2026-11-27T15:05:00Z"}}"#,
        #"{"event":"SESSION_PAUSED","requestId":"r","payload":{"sessionId":"S"}}"#,
        #"{"event":"SESSION_STOPPED","requestId":"r","payload":{"sessionId":"S","energy":{"unit":"WH","value":5}}}"#,
        // In other envelopes, and without a name.
        #"{"data":{"event":"SESSION_PAUSED","payload":{"sessionId":"S"}}}"#,
        #"{"payload":{"userId":"u","sessionId":"S","timestamp":"2026-11-27T15:05:00Z"}}"#,
        #"{"eventType":"SESSION_PAUSED","data":{"sessionId":"S","timestamp":"2026-11-27T15:05:00Z"}}"#,
        #"{"sessionId":"S","energy":null}"#,
        // A request id is a text.
        #"{"requestId":"","payload":{"sessionId":"S"}}"#, #"{"requestId":7,"payload":{"sessionId":"S"}}"#,
        #"{"request_id":null,"requestId":{},"payload":{"sessionId":"S"}}"#,
    ]) func `what tells no more than a session event is no record, whatever its name`(body: String) {
        #expect(code(body) == .notARecord)
    }

    @Test(arguments: [
        #"{"requestId":"r","sessionId":"S"}"#, #"{"sessionId":"S","energy":{"unit":"WH","value":5}}"#,
        #"{"session_id":"S","total_cost":{"excl_vat":4.0}}"#, #"{"sessionId":"S","end":"2026-11-27T15:05:00Z"}"#,
        #"{"event":"CDR","requestId":"r","payload":{"sessionId":"S","startTime":"2026-11-27T15:05:00Z"}}"#,
        #"{"event":null,"requestId":"r","sessionId":"S"}"#,
    ]) func `a record is one, also in an envelope`(body: String) {
        #expect(code(body) == nil)
    }

    @Test(arguments: [
        ("2025-03-01T10:00:00", "2025-03-01T10:00:00Z"), ("2025-03-01T10:00:00.250", "2025-03-01T10:00:00.250Z"),
        ("2025-03-01T10:00:00Z", "2025-03-01T10:00:00Z"), ("2025-03-01T10:00:00+01:00", "2025-03-01T09:00:00Z"),
        ("2016-12-31T23:59:60", "2017-01-01T00:00:00Z"), ("2025-03-01t10:00:00", "2025-03-01T10:00:00Z"),
    ]) func `an OCPI date-time without a zone is UTC`(text: String, expected: String) throws {
        let record = try ChargeDetailRecord(
            decoding: Array(#"{"session_id":"S","start_date_time":"\#(text)","last_updated":"\#(text)"}"#.utf8))
        #expect(record.startTime?.rfc3339 == expected)
        #expect(record.timestamp?.rfc3339 == expected)
        #expect(record.unreadTimes.isEmpty)
    }

    @Test(arguments: [
        #""2025-03-01T10:00:00+0000""#, #""2025-03-01 10:00:00""#, #""2025-03-01 10:00:00Z""#, "1740823200",
        #""1740823200""#, #""2025-03-01""#, #""2025-03-01T10:00""#, #""2025-03-01T10:00:00+00""#,
        #""2025-03-01T10:00:00 ""#,
        #""2025-02-30T10:00:00""#, #""2025-03-01T10:00:00.""#, #""""#, #"{"at":"2025-03-01T10:00:00Z"}"#, "true",
    ]) func `what is no OCPI date-time is not guessed, and named`(value: String) throws {
        let record = try ChargeDetailRecord(
            decoding: Array(#"{"session_id":"S","id":"C","start_date_time":\#(value),"end_date_time":null}"#.utf8))
        #expect(record.timestamp == nil)
        #expect(record.unreadTimes == ["start_date_time"])
        #expect(record.verbatim.contains(value))
    }

    @Test func `of several times those that can be read count`() throws {
        let record = try ChargeDetailRecord(
            decoding: Array(
                #"{"sessionId":"S","start":1740823200,"startTime":"2025-03-01T10:00:00","end":"noon","timestamp":null}"#
                    .utf8))
        #expect(record.startTime?.rfc3339 == "2025-03-01T10:00:00Z")
        #expect(record.timestamp == record.startTime)
        #expect(record.unreadTimes == ["start", "end"])
    }
}
