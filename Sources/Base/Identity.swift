/// Sixteen random bytes that name something for ever: a log, or the origin of deliveries.
///
/// Ordered by its bytes, which is the same order everywhere.
package struct Identity: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Bytes 0 to 7, the first one the most significant.
    package let high: UInt64
    /// Bytes 8 to 15.
    package let low: UInt64

    package static let byteCount = 16

    /// All bytes zero: of nothing.
    package static let none = Identity(high: 0, low: 0)

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new one, from the system's random numbers.
    package static func random() -> Identity {
        var generator = SystemRandomNumberGenerator()
        return Identity(high: generator.next(), low: generator.next())
    }

    /// Reads 16 bytes at `offset`.
    package init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
    }

    /// Writes 16 bytes at `offset`.
    package func write(to bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
        bytes.storeBytes(of: high.bigEndian, toByteOffset: offset, as: UInt64.self)
        bytes.storeBytes(of: low.bigEndian, toByteOffset: offset + 8, as: UInt64.self)
    }

    /// Reads what `description` made; nil for any other text.
    package init?(_ text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    /// 32 hexadecimal digits.
    package var description: String { ASCII.hexadecimal(high) + ASCII.hexadecimal(low) }

    package static func < (left: Identity, right: Identity) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}
