internal import Base

/// The syntax of `host [":" port]` (RFC 3986 section 3.2, RFC 9110 section 4.2).
enum HostSyntax {
    /// Whether the value of a Host field is valid. An empty host is not: an http URI must have one
    /// (RFC 9110 section 4.2.1).
    static func isValid(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let hostEnd = endOfHost(value), hostEnd > 0 else { return false }
        guard hostEnd < value.count else { return true }
        guard value[hostEnd] == UInt8(ascii: ":") else { return false }
        return isPort(UnsafeRawBufferPointer(rebasing: value[(hostEnd + 1)...]), mayBeEmpty: true)
    }

    /// Whether the target is `host ":" port` (RFC 9112 section 3.2.3).
    static func isAuthority(_ value: UnsafeRawBufferPointer) -> Bool {
        guard let hostEnd = endOfHost(value), hostEnd > 0, hostEnd < value.count else { return false }
        guard value[hostEnd] == UInt8(ascii: ":") else { return false }
        return isPort(UnsafeRawBufferPointer(rebasing: value[(hostEnd + 1)...]), mayBeEmpty: false)
    }

    /// Where path or query start in an absolute http or https URI with a valid authority; nil for any other target.
    static func endOfAuthority(_ target: UnsafeRawBufferPointer) -> Int? {
        var start = 0
        for scheme in ["http://", "https://"] as [StaticString] where target.count > scheme.utf8CodeUnitCount {
            let prefix = UnsafeRawBufferPointer(rebasing: target[..<scheme.utf8CodeUnitCount])
            if prefix.equalsIgnoringCase(scheme) { start = scheme.utf8CodeUnitCount }
        }
        guard start > 0 else { return nil }
        var end = start
        while end < target.count, target[end] != UInt8(ascii: "/"), target[end] != UInt8(ascii: "?") { end += 1 }
        return isValid(UnsafeRawBufferPointer(rebasing: target[start..<end])) ? end : nil
    }

    private static func isPort(_ bytes: UnsafeRawBufferPointer, mayBeEmpty: Bool) -> Bool {
        if bytes.isEmpty { return mayBeEmpty }
        guard let port = RequestParser.decimal(bytes) else { return false }
        return port <= 65_535
    }

    /// Where the host at the start of `value` ends; nil when it is malformed.
    private static func endOfHost(_ value: UnsafeRawBufferPointer) -> Int? {
        guard value.first == UInt8(ascii: "[") else { return endOfName(value) }
        guard let close = value.firstIndex(of: UInt8(ascii: "]")) else { return nil }
        let literal = UnsafeRawBufferPointer(rebasing: value[1..<close])
        return isIPv6(literal) || isFutureAddress(literal) ? close + 1 : nil
    }

    private static func endOfName(_ value: UnsafeRawBufferPointer) -> Int? {
        let classes = ASCII.classes
        var position = 0
        while position < value.count {
            let byte = value[position]
            if byte == UInt8(ascii: "%") {
                guard position + 2 < value.count, ASCII.hexValue(value[position + 1]) != nil,
                    ASCII.hexValue(value[position + 2]) != nil
                else { return nil }
                position += 3
            } else if classes[Int(byte)] & ASCII.registeredName != 0 {
                position += 1
            } else {
                return position
            }
        }
        return position
    }

    /// `v` 1*HEXDIG `.` 1*( unreserved / sub-delims / `:` )
    private static func isFutureAddress(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.first, ASCII.lowercased(first) == UInt8(ascii: "v") else { return false }
        guard let dot = bytes.firstIndex(of: UInt8(ascii: ".")), dot > 1, dot + 1 < bytes.count else { return false }
        let classes = ASCII.classes
        return bytes[1..<dot].allSatisfy { ASCII.hexValue($0) != nil }
            && bytes[(dot + 1)...].allSatisfy {
                classes[Int($0)] & ASCII.registeredName != 0 || $0 == UInt8(ascii: ":")
            }
    }

    static func isIPv6(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var groups = 0
        var compressed = false
        var position = 0
        if bytes.count >= 2, bytes[0] == UInt8(ascii: ":") {
            guard bytes[1] == UInt8(ascii: ":") else { return false }
            compressed = true
            position = 2
            if position == bytes.count { return true }
        }
        while position < bytes.count {
            let start = position
            while position < bytes.count, ASCII.hexValue(bytes[position]) != nil { position += 1 }
            if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
                guard isIPv4(UnsafeRawBufferPointer(rebasing: bytes[start...])) else { return false }
                groups += 2
                position = bytes.count
                break
            }
            guard position > start, position - start <= 4 else { return false }
            groups += 1
            guard position < bytes.count else { break }
            guard bytes[position] == UInt8(ascii: ":") else { return false }
            position += 1
            // A colon must be followed by a group or be the first of the one `::`.
            guard position < bytes.count else { return false }
            if bytes[position] == UInt8(ascii: ":") {
                guard !compressed else { return false }
                compressed = true
                position += 1
            }
        }
        return compressed ? groups <= 7 : groups == 8
    }

    static func isIPv4(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var octets = 0
        for number in bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard (1...3).contains(number.count), number.allSatisfy(ASCII.isDigit) else { return false }
            guard number.count == 1 || number.first != UInt8(ascii: "0") else { return false }
            guard number.reduce(0, { $0 * 10 + Int($1 &- 0x30) }) <= 255 else { return false }
            octets += 1
        }
        return octets == 4
    }
}
