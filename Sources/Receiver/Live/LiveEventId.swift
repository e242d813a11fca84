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
/// `123`: everything up to log position 123, and what time alone had brought when that delivery was received.
/// `123@1760000000000000`: the same, and what time alone has brought up to that microsecond.
/// `123@1760000000000000.45.1`: up to that one of the changes of that microsecond.
struct LiveEventId: Hashable, Sendable {
    var position: Int64
    /// nil: the time at which the delivery at `position` was received.
    var mark: TimeMark?

    init(position: Int64, mark: TimeMark? = nil) {
        self.position = position
        self.mark = mark
    }

    init?(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let position = Int64(parts[0]), position >= 0 else { return nil }
        self.position = position
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
        guard let mark else { return "\(position)" }
        if mark == .end(of: mark.microseconds) { return "\(position)@\(mark.microseconds)" }
        return "\(position)@\(mark.microseconds).\(mark.number).\(mark.kind)"
    }
}
