extension Instant {
    /// Reads an RFC 3339 `date-time` (section 5.6): any offset, any number of fraction digits (those beyond the
    /// nanosecond are cut off), `t` and `z` in lower case, a space in place of the `T`.
    ///
    /// A leap second (`:60`) is accepted where one can be, in the last minute (UTC) of a month, and read as the second
    /// after it. An offset that moves the moment out of the years 0000 to 9999 is refused.
    package init?(rfc3339 text: UnsafeRawBufferPointer) {
        guard text.count >= 20,
            let century = text.twoDigits(at: 0), let yearOfCentury = text.twoDigits(at: 2), text[4] == 0x2D,
            let month = text.twoDigits(at: 5), text[7] == 0x2D, let day = text.twoDigits(at: 8),
            text[10] | 0x20 == 0x74 || text[10] == 0x20,
            let hour = text.twoDigits(at: 11), text[13] == 0x3A,
            let minute = text.twoDigits(at: 14), text[16] == 0x3A,
            let second = text.twoDigits(at: 17)
        else { return nil }
        let year = century * 100 + yearOfCentury
        guard (1...12).contains(month), day >= 1, day <= CivilCalendar.daysInMonth(year: year, month: month),
            hour <= 23, minute <= 59, second <= 60
        else { return nil }

        var position = 19
        var nanoseconds: Int32 = 0
        if text[position] == 0x2E {
            position += 1
            let start = position
            var scale: Int32 = 100_000_000
            while position < text.count, text[position] &- 0x30 <= 9 {
                nanoseconds += Int32(text[position] &- 0x30) * scale
                scale /= 10
                position += 1
            }
            guard position > start, position < text.count else { return nil }
        }
        guard let offsetSeconds = text.offsetSeconds(from: position) else { return nil }

        let days = CivilCalendar.days(year: year, month: month, day: day)
        let utc = days * 86_400 + hour * 3600 + minute * 60 + second - offsetSeconds
        if second == 60 {
            // The second after a leap second is the first one of a month.
            guard utc % 86_400 == 0, CivilCalendar.date(days: utc / 86_400).day == 1 else { return nil }
        }
        guard utc >= Int(Self.earliestSeconds), utc <= Int(Self.latestSeconds) else { return nil }
        self.init(seconds: Int64(utc), nanoseconds: nanoseconds)
    }

    package init?(rfc3339 text: [UInt8]) {
        guard let instant = text.withUnsafeBytes({ Instant(rfc3339: $0) }) else { return nil }
        self = instant
    }

    package init?(rfc3339 text: String) {
        var text = text
        guard let instant = text.withUTF8({ Instant(rfc3339: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = instant
    }

    /// The canonical text: UTC with `Z`; a fraction has three, six or nine digits, the fewest that tell it, and a whole second none
    /// (as Protocol Buffers write a `Timestamp` in JSON). So what upstream sends keeps its form, and our own clock's times
    /// have nine (`SystemClock.now`).
    package var rfc3339: String {
        var bytes: [UInt8] = []
        write(rfc3339: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the canonical text, 20 to 30 bytes.
    package func write(rfc3339 output: inout [UInt8]) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 30) { text in
            let count = writeText(to: text)
            output.append(contentsOf: UnsafeBufferPointer(rebasing: text[..<count]))
        }
    }

    /// Writes the canonical text and returns its length.
    ///
    /// - Parameter text: room for 30 bytes.
    package func writeText(to text: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var days = Int(seconds) / 86_400
        var second = Int(seconds) % 86_400
        if second < 0 {
            second += 86_400
            days -= 1
        }
        let date = CivilCalendar.date(days: days)
        func put(_ value: Int, at index: Int) {
            text[index] = 0x30 + UInt8(truncatingIfNeeded: value / 10)
            text[index + 1] = 0x30 + UInt8(truncatingIfNeeded: value % 10)
        }
        put(date.year / 100, at: 0)
        put(date.year % 100, at: 2)
        text[4] = 0x2D
        put(date.month, at: 5)
        text[7] = 0x2D
        put(date.day, at: 8)
        text[10] = 0x54
        put(second / 3600, at: 11)
        text[13] = 0x3A
        put(second / 60 % 60, at: 14)
        text[16] = 0x3A
        put(second % 60, at: 17)
        var count = 19
        if nanoseconds != 0 {
            text[count] = 0x2E
            var (rest, digits) = (nanoseconds, 9)
            while rest % 1_000 == 0 { (rest, digits) = (rest / 1_000, digits - 3) }
            count += 1 + digits
            for index in 1...digits {
                text[count - index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
        }
        text[count] = 0x5A
        return count + 1
    }
}

extension UnsafeRawBufferPointer {
    /// The number that two ASCII digits write; the caller has checked that both bytes exist.
    fileprivate func twoDigits(at index: Int) -> Int? {
        let tens = self[index] &- 0x30
        let ones = self[index + 1] &- 0x30
        guard tens <= 9, ones <= 9 else { return nil }
        return Int(tens) * 10 + Int(ones)
    }

    /// The `time-offset` that fills the rest of the text.
    fileprivate func offsetSeconds(from start: Int) -> Int? {
        switch self[start] {
        case 0x5A, 0x7A:
            return count == start + 1 ? 0 : nil
        case 0x2B, 0x2D:
            guard count == start + 6, let hours = twoDigits(at: start + 1), self[start + 3] == 0x3A,
                let minutes = twoDigits(at: start + 4), hours <= 23, minutes <= 59
            else { return nil }
            let offset = hours * 3600 + minutes * 60
            return self[start] == 0x2B ? offset : -offset
        default:
            return nil
        }
    }
}
