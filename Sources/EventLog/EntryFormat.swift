internal import Base
internal import CLinux

/// What stands before the rows of one origin in one commit.
///
///     offset  bytes
///          0      4  magic
///          4      4  bytes of the entry, with this header
///          8      8  position of the first row; the others follow without a gap
///         16      4  number of rows
///         20      4  checksum of the rows' checksums
///         24      8  seal: sixty-four bits that are made when the entry is, and never change
///         32      8  seal of the entry before it
///         40     16  origin of all rows
///         56      8  sequence of the first row; the others follow without a gap
///         64      4  how many rows of the same commit stand before it: those were written together, or not at all
///         68      4  flags: 1 received here, 2 late
///         72      4  checksum of everything before it
///
/// The seals are the chain. They are no checksums of the content, so that an erasure can change content in place, and
/// nothing of what was erased can be told from them.
struct EntryHeader: Equatable {
    var entryBytes: Int
    var firstPosition: Int64
    var count: Int
    var rowsChecksum: UInt32
    var seal: UInt64
    var previousSeal: UInt64
    var origin: Identity
    var firstSequence: Int64
    var rowsBefore: Int
    var flags: Flags

    struct Flags: OptionSet {
        let rawValue: UInt32
        /// Received here. Others were pulled, own ones of an earlier life of this directory among them.
        static let own = Flags(rawValue: 1)
        /// It fills a hole that damage has left: later deliveries of the origin stand before it.
        static let late = Flags(rawValue: 2)
    }

    static let bytes = 76
    /// "CFE1"
    static let magic: UInt32 = 0x3145_4643
    static let magicBytes: [UInt8] = Array("CFE1".utf8)

    var lastPosition: Int64 { firstPosition + Int64(count) - 1 }
    var lastSequence: Int64 { firstSequence + Int64(count) - 1 }
    /// The first position of the commit.
    var commit: Int64 { firstPosition - Int64(rowsBefore) }
    /// From the start of the entry to where the next one begins.
    var stride: Int { LogFormat.aligned(entryBytes) }

    func write(to bytes: UnsafeMutableRawBufferPointer, seed: UInt32) {
        bytes.store(Self.magic, 0)
        bytes.store(UInt32(entryBytes), 4)
        bytes.store(firstPosition, 8)
        bytes.store(UInt32(count), 16)
        bytes.store(rowsChecksum, 20)
        bytes.store(seal, 24)
        bytes.store(previousSeal, 32)
        origin.write(to: bytes, at: 40)
        bytes.store(firstSequence, 56)
        bytes.store(UInt32(rowsBefore), 64)
        bytes.store(flags.rawValue, 68)
        bytes.store(
            LogFormat.checksum(seed, UnsafeRawBufferPointer(bytes.slice(0, Self.bytes - 4))), Self.bytes - 4)
    }

    /// nil where the bytes are not a sound header of the log with this seed.
    init?(_ bytes: UnsafeRawBufferPointer, seed: UInt32) {
        guard bytes.count >= Self.bytes, bytes.integer(0, as: UInt32.self) == Self.magic,
            bytes.integer(Self.bytes - 4, as: UInt32.self) == LogFormat.checksum(seed, bytes.slice(0, Self.bytes - 4))
        else { return nil }
        entryBytes = Int(bytes.integer(4, as: UInt32.self))
        firstPosition = bytes.integer(8)
        count = Int(bytes.integer(16, as: UInt32.self))
        rowsChecksum = bytes.integer(20)
        seal = bytes.integer(24)
        previousSeal = bytes.integer(32)
        origin = Identity(bytes, at: 40)
        firstSequence = bytes.integer(56)
        rowsBefore = Int(bytes.integer(64, as: UInt32.self))
        flags = Flags(rawValue: bytes.integer(68))
        guard firstPosition > 0, firstPosition < .max / 2, firstSequence > 0, firstSequence < .max / 2, count > 0,
            entryBytes >= Self.bytes + count * RowHeader.bytes, rowsBefore < firstPosition
        else { return nil }
    }

    init(
        entryBytes: Int, firstPosition: Int64, count: Int, rowsChecksum: UInt32, seal: UInt64, previousSeal: UInt64,
        origin: Identity, firstSequence: Int64, rowsBefore: Int = 0, flags: Flags = .own
    ) {
        self.entryBytes = entryBytes
        self.firstPosition = firstPosition
        self.count = count
        self.rowsChecksum = rowsChecksum
        self.seal = seal
        self.previousSeal = previousSeal
        self.origin = origin
        self.firstSequence = firstSequence
        self.rowsBefore = rowsBefore
        self.flags = flags
    }
}

/// What stands before the body of one row. It says which row it is, and whose, so that rows can be saved of an entry whose
/// header is damaged.
///
///     offset  bytes
///          0      4  checksum of everything behind it, and of the body
///          4      4  the low half of the position
///          8      4  bytes of the body
///         12      8  when it was received, in microseconds since 1970
///         20      1  source
///         21      4  the last bytes of the origin
///         25      4  the low half of the sequence
struct RowHeader {
    var checksum: UInt32
    var positionLow: UInt32
    var bodyBytes: Int
    var receivedMicroseconds: Int64
    var source: UInt8
    var originTag: UInt32
    var sequenceLow: UInt32

    static let bytes = 29
    /// What an erasure leaves: a body of zeros, of the same length, received never.
    static let sourceErased: UInt8 = 0xFF
    /// Of a delivery that its origin has lost before anybody else had it: no body, received never.
    static let sourceLost: UInt8 = 0xFE

    static func tag(_ origin: Identity) -> UInt32 { UInt32(truncatingIfNeeded: origin.low) }

    /// Reads a header, sound or not.
    init(_ bytes: UnsafeRawBufferPointer) {
        checksum = bytes.integer(0)
        positionLow = bytes.integer(4)
        bodyBytes = Int(bytes.integer(8, as: UInt32.self))
        receivedMicroseconds = bytes.integer(12)
        source = bytes[20]
        originTag = bytes.integer(21)
        sequenceLow = bytes.integer(25)
    }

    /// What of a row never changes.
    struct Name {
        let position: Int64
        let originTag: UInt32
        let sequence: Int64
    }

    /// Seals a row whose body is in place behind the header.
    /// - Returns: the row's checksum.
    @discardableResult
    static func seal(
        _ row: UnsafeMutableRawBufferPointer, _ name: Name, receivedMicroseconds: Int64, source: UInt8, seed: UInt32
    ) -> UInt32 {
        row.store(UInt32(truncatingIfNeeded: name.position), 4)
        row.store(UInt32(row.count - bytes), 8)
        row.store(receivedMicroseconds, 12)
        row[20] = source
        row.store(name.originTag, 21)
        row.store(UInt32(truncatingIfNeeded: name.sequence), 25)
        let checksum = LogFormat.checksum(seed, UnsafeRawBufferPointer(row.slice(4, row.count - 4)))
        row.store(checksum, 0)
        return checksum
    }

    /// Whether the whole row, header and body, is as it was written.
    static func isSound(_ row: UnsafeRawBufferPointer, seed: UInt32) -> Bool {
        row.integer(0, as: UInt32.self) == LogFormat.checksum(seed, row.slice(4, row.count - 4))
    }

    /// The sequence, near one that is known.
    func sequence(near known: Int64) -> Int64 {
        let distance = Int32(bitPattern: sequenceLow &- UInt32(truncatingIfNeeded: known))
        let nearest = known + Int64(distance)
        return nearest > 0 ? nearest : nearest + (1 << 32)
    }
}

/// The checksum of an entry's rows, made from their own in their order.
struct RowsChecksum {
    private(set) var value: UInt32

    init(seed: UInt32) { value = seed }

    mutating func add(_ checksum: UInt32) {
        var bytes = checksum.littleEndian
        value = clinux_crc32c(value, &bytes, 4)
    }
}
