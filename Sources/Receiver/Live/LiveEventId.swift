/// A place among the changes that time alone brings: the instant, then the session, then what happens.
struct TimeMark: Hashable, Comparable, Sendable {
    /// Since 1970.
    var microseconds: Int64
    /// `SessionRecord.number`.
    var number: Int64
    var kind: Int64

    /// Behind everything that happens at an instant.
    static func end(of microseconds: Int64) -> TimeMark {
        TimeMark(microseconds: microseconds, number: .max, kind: .max)
    }

    static let start = TimeMark(microseconds: .min, number: .min, kind: .min)

    static func < (left: TimeMark, right: TimeMark) -> Bool {
        (left.microseconds, left.number, left.kind) < (right.microseconds, right.number, right.kind)
    }
}

/// The id of a live event: how far a stream has come, in the log and in time.
///
/// `123-1a2b3c4d`: everything up to log position 123, and what time alone had brought when that delivery was received.
/// `123-1a2b3c4d@1760000000000000`: the same, and what time alone has brought up to that microsecond.
/// `123-1a2b3c4d@1760000000000000.45.1`: up to that one of the changes of that microsecond.
struct LiveEventId: Hashable, Sendable {
    var cursor: LogCursor
    var position: Int64 { cursor.position }
    /// nil: the time at which the delivery at `position` was received.
    var mark: TimeMark?

    init(_ cursor: LogCursor, mark: TimeMark? = nil) {
        self.cursor = cursor
        self.mark = mark
    }

    init?(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let cursor = LogCursor(parts[0]) else { return nil }
        self.cursor = cursor
        guard parts.count == 2 else { return }
        let numbers = parts[1].split(separator: ".", omittingEmptySubsequences: false).map { Int64($0) }
        switch (numbers.count, numbers.first ?? nil) {
        case (1, let microseconds?): mark = .end(of: microseconds)
        case (3, let microseconds?):
            guard let number = numbers[1], let kind = numbers[2] else { return nil }
            mark = TimeMark(microseconds: microseconds, number: number, kind: kind)
        default: return nil
        }
    }

    var text: String {
        guard let mark else { return cursor.text }
        if mark == .end(of: mark.microseconds) { return "\(cursor.text)@\(mark.microseconds)" }
        return "\(cursor.text)@\(mark.microseconds).\(mark.number).\(mark.kind)"
    }
}
