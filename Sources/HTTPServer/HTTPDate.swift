/// The IMF-fixdate form of a time (RFC 9110 section 5.6.7): always 29 bytes.
enum HTTPDate {
    /// - Parameter seconds: since 1970, not negative.
    static func format(_ seconds: Int) -> [UInt8] {
        let days = seconds / 86_400
        let time = seconds % 86_400
        // Days to civil date: Howard Hinnant, "chrono-compatible low-level date algorithms".
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)

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
