import SessionModel

/// A place among the changes that time alone brings: the instant, then the session, then what happens.
struct TimeMark: Hashable, Comparable, Sendable {
    /// Since 1970.
    var microseconds: Int64
    /// `SessionRecord.tie`.
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
/// `a17.b5@1760000000000000`: the same of several receivers that share a log, good at each of them (`Frontier`).
struct LiveEventId: Hashable, Sendable {
    /// Of this receiver's log alone; the beginning where the id is of several.
    var cursor: LogCursor
    var frontier: Frontier?
    var position: Int64 { cursor.position }
    /// nil: the time at which the delivery at `position` was received.
    var mark: TimeMark?

    init(_ cursor: LogCursor, _ frontier: Frontier? = nil, mark: TimeMark? = nil) {
        self.cursor = cursor
        self.frontier = frontier
        self.mark = mark
    }

    init?(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        if let cursor = LogCursor(parts[0]) {
            self.cursor = cursor
        } else if let frontier = Frontier(parts[0]) {
            cursor = .start
            self.frontier = frontier
        } else {
            return nil
        }
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
        let place = frontier?.text ?? cursor.text
        guard let mark else { return place }
        if mark == .end(of: mark.microseconds) { return "\(place)@\(mark.microseconds)" }
        return "\(place)@\(mark.microseconds).\(mark.number).\(mark.kind)"
    }
}
