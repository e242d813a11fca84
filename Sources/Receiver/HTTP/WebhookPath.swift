/// The addresses of the webhooks as people misspell them. What differs only in slashes, in case or in the percent-encoding
/// of characters that need none (RFC 3986, section 6.2.2) is the webhook: each callback is sent once, and is not lost to a
/// slash at the end of a URL.
enum WebhookPath {
    private static let sessionEvents = Array("/webhooks/session-events".utf8)
    private static let chargeDetailRecords = Array("/webhooks/cdrs".utf8)

    /// The webhook that a path is another spelling of; nil for any other path.
    ///
    /// For paths that lead nowhere else. The cost is bounded by the longer of the two: whatever goes on differing is left.
    static func webhook(likely path: UnsafeRawBufferPointer) -> Resource? {
        var plain: [UInt8] = []
        plain.reserveCapacity(sessionEvents.count)
        var index = 0
        while index < path.count {
            var byte = path[index]
            index += 1
            if byte == UInt8(ascii: "%"), index + 1 < path.count, let high = hexadecimal(path[index]),
                let low = hexadecimal(path[index + 1]), isUnreserved(high << 4 | low)
            {
                byte = high << 4 | low
                index += 2
            }
            if byte == UInt8(ascii: "/"), plain.last == byte { continue }
            // A slash at the end is kept as one, for the moment.
            guard plain.count <= sessionEvents.count else { return nil }
            plain.append(byte.lowercasedASCII)
        }
        if plain.last == UInt8(ascii: "/") { plain.removeLast() }
        if plain == sessionEvents { return .sessionEvents }
        return plain == chargeDetailRecords ? .chargeDetailRecords : nil
    }

    /// RFC 3986, section 2.3.
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
