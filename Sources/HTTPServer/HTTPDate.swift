internal import Base

/// The IMF-fixdate form of a time (RFC 9110 section 5.6.7): always 29 bytes.
enum HTTPDate {
    /// - Parameter seconds: since 1970, not negative.
    static func format(_ seconds: Int) -> [UInt8] {
        let days = seconds / 86_400
        let time = seconds % 86_400
        let (year, month, day) = CivilCalendar.date(days: days)

        var text: [UInt8] = []
        text.reserveCapacity(29)
        func add(_ number: Int) {
            text.append(UInt8(truncatingIfNeeded: 0x30 + number / 10 % 10))
            text.append(UInt8(truncatingIfNeeded: 0x30 + number % 10))
        }
        text += ["Thu, ", "Fri, ", "Sat, ", "Sun, ", "Mon, ", "Tue, ", "Wed, "][days % 7].utf8
        add(day)
        let months = [
            " Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ", " Jul ", " Aug ", " Sep ", " Oct ", " Nov ", " Dec ",
        ]
        text += months[month - 1].utf8
        add(year / 100)
        add(year)
        text.append(ASCII.space)
        add(time / 3_600)
        text.append(UInt8(ascii: ":"))
        add(time / 60 % 60)
        text.append(UInt8(ascii: ":"))
        add(time % 60)
        text += " GMT".utf8
        return text
    }
}
