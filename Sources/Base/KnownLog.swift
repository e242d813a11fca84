/// What somebody remembers of a log: with it a start tells a log that is missing, cut off or another one from a new
/// installation.
package struct KnownLog: Sendable, Equatable {
    package let identity: Identity
    /// The highest position that it is known to have had.
    package let end: Int64

    package init(identity: Identity, end: Int64) {
        self.identity = identity
        self.end = end
    }

    /// For a file, with a checksum: a memory that is damaged must not keep a sound log from being opened.
    package var encoded: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        bytes.withUnsafeMutableBytes { bytes in
            identity.write(to: bytes, at: 0)
            bytes.storeBytes(of: end.littleEndian, toByteOffset: 16, as: Int64.self)
            let checksum = Self.checksum(UnsafeRawBufferPointer(bytes))
            bytes.storeBytes(of: checksum.littleEndian, toByteOffset: 24, as: UInt64.self)
        }
        return bytes
    }

    /// Reads what `encoded` made; nil where that is not what it was.
    package init?(decoding bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount,
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)) == Self.checksum(bytes)
        else { return nil }
        identity = Identity(bytes, at: 0)
        end = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: Int64.self))
    }

    private static let byteCount = 32

    /// FNV-1a of the first 24 bytes.
    private static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        bytes.prefix(24).reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
