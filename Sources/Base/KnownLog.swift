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
            bytes.store(end, 16)
            let checksum = Self.checksum(UnsafeRawBufferPointer(bytes))
            bytes.store(checksum, 24)
        }
        return bytes
    }

    /// Reads what `encoded` made; nil where that is not what it was.
    package init?(decoding bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.byteCount,
            bytes.integer(24, as: UInt64.self) == Self.checksum(bytes)
        else { return nil }
        identity = Identity(bytes, at: 0)
        end = bytes.integer(16)
    }

    private static let byteCount = 32

    /// FNV-1a of the first 24 bytes.
    private static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        FNV1a.hash(bytes.prefix(24))
    }
}
