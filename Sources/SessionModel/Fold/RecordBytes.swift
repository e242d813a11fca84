internal import Base

/// Builds the stored form of a record.
struct RecordWriter {
    var bytes: [UInt8]

    /// Seven bits a byte, the lowest first; the top bit says that more follow (LEB128).
    mutating func write(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Small magnitudes in few bytes (zigzag).
    mutating func write(signed value: Int64) {
        write(UInt64(bitPattern: value << 1 ^ value >> 63))
    }

    /// - Parameter base: an instant near it.
    mutating func write(_ instant: Instant, since base: Instant) {
        write(signed: instant.seconds - base.seconds)
        write(UInt64(instant.nanoseconds))
    }

    mutating func write(_ identity: Identity) {
        for word in [identity.high, identity.low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
    }

    mutating func write(_ text: [UInt8]) {
        write(UInt64(text.count))
        bytes.append(contentsOf: text)
    }

    mutating func write(_ text: String) {
        write(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }
}

/// Reads the stored form of a record; every read is checked against the end.
struct RecordReader {
    let bytes: UnsafeRawBufferPointer
    var position: Int

    var isAtEnd: Bool { position == bytes.count }

    mutating func readByte() throws(RecordCodingError) -> UInt8 {
        guard position < bytes.count else { throw RecordCodingError(reason: .truncated) }
        position += 1
        return bytes[position - 1]
    }

    mutating func readUnsigned() throws(RecordCodingError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try readByte()
            // The tenth byte has room for one bit.
            guard shift < 63 || byte <= 1 else { throw RecordCodingError(reason: .invalid) }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    mutating func readSigned() throws(RecordCodingError) -> Int64 {
        let value = try readUnsigned()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    mutating func readCount() throws(RecordCodingError) -> Int {
        guard let value = Int(exactly: try readUnsigned()) else { throw RecordCodingError(reason: .invalid) }
        return value
    }

    mutating func readInstant(since base: Instant) throws(RecordCodingError) -> Instant {
        let seconds = base.seconds &+ (try readSigned())
        let nanoseconds = try readUnsigned()
        guard seconds >= Instant.earliestSeconds, seconds <= Instant.latestSeconds, nanoseconds < 1_000_000_000 else {
            throw RecordCodingError(reason: .invalid)
        }
        return Instant(seconds: seconds, nanoseconds: Int32(nanoseconds))
    }

    mutating func readIdentity() throws(RecordCodingError) -> Identity {
        guard Identity.byteCount <= bytes.count - position else { throw RecordCodingError(reason: .truncated) }
        position += Identity.byteCount
        return Identity(bytes, at: position - Identity.byteCount)
    }

    mutating func readBytes() throws(RecordCodingError) -> [UInt8] {
        let count = try readCount()
        guard count <= bytes.count - position else { throw RecordCodingError(reason: .truncated) }
        position += count
        return Array(bytes[position - count..<position])
    }

    mutating func readString() throws(RecordCodingError) -> String {
        guard let text = String(validating: try readBytes(), as: UTF8.self) else {
            throw RecordCodingError(reason: .invalid)
        }
        return text
    }
}

/// A checksum against accidents (bad disks, bugs), not against malice. Every step is a bijection of the running value,
/// so a change within one aligned word of eight bytes is always found.
package enum RecordChecksum {
    package static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0x9E37_79B9_7F4A_7C15) -> UInt64 {
        var hash = seed ^ UInt64(bytes.count)
        var position = 0
        while position + 8 <= bytes.count {
            mix(bytes.integer(position), into: &hash)
            position += 8
        }
        var rest: UInt64 = 0
        while position < bytes.count {
            rest = rest << 8 | UInt64(bytes[position])
            position += 1
        }
        mix(rest, into: &hash)
        return hash
    }

    private static func mix(_ word: UInt64, into hash: inout UInt64) {
        hash = (hash ^ word) &* 0xD6E8_FEB8_6659_FD93
        hash ^= hash >> 32
    }
}
