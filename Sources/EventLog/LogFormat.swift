internal import Base
internal import CLinux

/// What the files of the log look like; see the picture in `EventLog`. Integers are little-endian.
///
/// Every checksum is a CRC-32C that begins with the log's identity: bytes of another log, or bytes that somebody sends
/// in a body, are never taken for bytes of this one.
enum LogFormat {
    /// What direct I/O asks for on every usual device.
    static let blockBytes = 4_096
    /// The first block of a segment is its header's.
    static let entriesStart = blockBytes
    /// Entries begin at multiples of this.
    static let alignment = 8
    /// A row's body is no longer than that.
    static let bodyBytesMax = 64 << 20

    static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) & ~(alignment - 1) }
    static func wholeBlocks(_ bytes: Int) -> Int { (bytes + blockBytes - 1) & ~(blockBytes - 1) }

    /// With what the checksums of a log begin.
    static func seed(_ identity: Identity) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: Identity.byteCount, alignment: 8) { bytes in
            identity.write(to: bytes, at: 0)
            return clinux_crc32c(0, bytes.baseAddress, bytes.count)
        }
    }

    static func checksum(_ seed: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        clinux_crc32c(seed, bytes.baseAddress, bytes.count)
    }

    // MARK: File names

    static let directoryName = "log"
    static let spareName = "spare"
    private static let suffix = ".log"
    private static let digits = 20

    /// Segments are named by their first position, so that their names are in their order.
    static func fileName(firstPosition: Int64) -> String {
        let text = String(firstPosition)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text + suffix
    }

    static func firstPosition(fileName: String) -> Int64? {
        guard fileName.hasSuffix(suffix) else { return nil }
        let number = fileName.dropLast(suffix.utf8.count)
        guard number.utf8.count == digits, number.utf8.allSatisfy(ASCII.isDigit) else { return nil }
        return Int64(number).flatMap { 0 < $0 && $0 < .max / 2 ? $0 : nil }
    }
}

/// The first block of a segment.
///
///     offset  bytes
///          0      8  magic and format version
///          8     16  the log's identity
///         24     16  the origin of this directory's own deliveries from here on
///         40      8  the sequence of the next of them
///         48      8  first position
///         56      8  seal of the entry before it; 0 in the first segment of a log
///         64      8  first position of the segment before it; 0 in the first one
///         72      8  0, or the last position of a segment that was emptied: nothing of it is left but this block
///         80      8  seal of the last entry, where the segment was emptied
///         88      4  checksum of everything before it
///       2048     92  the same once more
struct SegmentHeader: Equatable {
    var identity: Identity
    var origin: Identity
    var nextSequence: Int64
    var firstPosition: Int64
    var previousSeal: UInt64
    var previousFirstPosition: Int64
    var emptiedThrough: Int64 = 0
    var emptiedSeal: UInt64 = 0

    static let bytes = 92
    /// "CFLOG\0\0\1"
    private static let magic: UInt64 = 0x0100_0047_4F4C_4643

    /// - Parameter block: a whole block of zeros.
    func write(to block: UnsafeMutableRawBufferPointer) {
        for copy in [0, Self.copyStart] { writeOnce(to: block.slice(copy, Self.bytes)) }
    }

    private func writeOnce(to block: UnsafeMutableRawBufferPointer) {
        block.store(Self.magic, 0)
        identity.write(to: block, at: 8)
        origin.write(to: block, at: 24)
        block.store(nextSequence, 40)
        block.store(firstPosition, 48)
        block.store(previousSeal, 56)
        block.store(previousFirstPosition, 64)
        block.store(emptiedThrough, 72)
        block.store(emptiedSeal, 80)
        block.store(
            LogFormat.checksum(LogFormat.seed(identity), UnsafeRawBufferPointer(block.slice(0, Self.bytes - 4))),
            Self.bytes - 4)
    }

    private static let copyStart = 2_048

    /// nil where neither copy in the block is sound.
    init?(_ block: UnsafeRawBufferPointer) {
        if let first = SegmentHeader(copy: block) {
            self = first
        } else if block.count >= Self.copyStart + Self.bytes,
            let second = SegmentHeader(copy: block.slice(Self.copyStart, Self.bytes))
        {
            self = second
        } else {
            return nil
        }
    }

    /// Whether a block is what `write` has made of this header, to the byte.
    func isWhole(_ block: UnsafeRawBufferPointer) -> Bool {
        var expected = [UInt8](repeating: 0, count: LogFormat.blockBytes)
        expected.withUnsafeMutableBytes { write(to: $0) }
        return block.elementsEqual(expected)
    }

    private init?(copy block: UnsafeRawBufferPointer) {
        guard block.count >= Self.bytes, block.integer(0, as: UInt64.self) == Self.magic else { return nil }
        identity = Identity(block, at: 8)
        guard
            block.integer(Self.bytes - 4, as: UInt32.self)
                == LogFormat.checksum(LogFormat.seed(identity), block.slice(0, Self.bytes - 4))
        else { return nil }
        origin = Identity(block, at: 24)
        nextSequence = block.integer(40)
        firstPosition = block.integer(48)
        previousSeal = block.integer(56)
        previousFirstPosition = block.integer(64)
        emptiedThrough = block.integer(72)
        emptiedSeal = block.integer(80)
        // Nothing that others count on from here overflows.
        let counts: Range<Int64> = 1..<Int64.max / 2
        guard counts.contains(firstPosition), counts.contains(nextSequence),
            emptiedThrough == 0 || firstPosition - 1..<Int64.max / 2 ~= emptiedThrough,
            0..<Int64.max / 2 ~= previousFirstPosition
        else { return nil }
    }

    init(
        identity: Identity, origin: Identity, nextSequence: Int64, firstPosition: Int64, previousSeal: UInt64,
        previousFirstPosition: Int64
    ) {
        self.identity = identity
        self.origin = origin
        self.nextSequence = nextSequence
        self.firstPosition = firstPosition
        self.previousSeal = previousSeal
        self.previousFirstPosition = previousFirstPosition
    }
}

/// What stands before the rows of one commit.
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
///         64      4  checksum of everything before it
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

    static let bytes = 68
    /// "CFE1"
    static let magic: UInt32 = 0x3145_4643
    static let magicBytes: [UInt8] = Array("CFE1".utf8)

    var lastPosition: Int64 { firstPosition + Int64(count) - 1 }
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
        guard firstPosition > 0, firstPosition < .max / 2, firstSequence > 0, firstSequence < .max / 2, count > 0,
            entryBytes >= Self.bytes + count * RowHeader.bytes
        else { return nil }
    }

    init(
        entryBytes: Int, firstPosition: Int64, count: Int, rowsChecksum: UInt32, seal: UInt64, previousSeal: UInt64,
        origin: Identity, firstSequence: Int64
    ) {
        self.entryBytes = entryBytes
        self.firstPosition = firstPosition
        self.count = count
        self.rowsChecksum = rowsChecksum
        self.seal = seal
        self.previousSeal = previousSeal
        self.origin = origin
        self.firstSequence = firstSequence
    }
}

/// What stands before the body of one row. It says which row it is, so that rows can be saved of an entry whose header is
/// damaged.
///
///     offset  bytes
///          0      4  checksum of everything behind it, and of the body
///          4      4  the low half of the position
///          8      4  bytes of the body
///         12      8  when it was received, in microseconds since 1970
///         20      1  source
struct RowHeader {
    var checksum: UInt32
    var positionLow: UInt32
    var bodyBytes: Int
    var receivedMicroseconds: Int64
    var source: UInt8

    static let bytes = 21
    /// What an erasure leaves: a body of zeros, of the same length, received never.
    static let sourceErased: UInt8 = 0xFF

    /// Reads a header, sound or not.
    init(_ bytes: UnsafeRawBufferPointer) {
        checksum = bytes.integer(0)
        positionLow = bytes.integer(4)
        bodyBytes = Int(bytes.integer(8, as: UInt32.self))
        receivedMicroseconds = bytes.integer(12)
        source = bytes[20]
    }

    /// Seals a row whose body is in place behind the header.
    /// - Returns: the row's checksum.
    @discardableResult
    static func seal(
        _ row: UnsafeMutableRawBufferPointer, position: Int64, receivedMicroseconds: Int64, source: UInt8, seed: UInt32
    ) -> UInt32 {
        row.store(UInt32(truncatingIfNeeded: position), 4)
        row.store(UInt32(row.count - bytes), 8)
        row.store(receivedMicroseconds, 12)
        row[20] = source
        let checksum = LogFormat.checksum(seed, UnsafeRawBufferPointer(row.slice(4, row.count - 4)))
        row.store(checksum, 0)
        return checksum
    }

    /// Whether the whole row, header and body, is as it was written.
    static func isSound(_ row: UnsafeRawBufferPointer, seed: UInt32) -> Bool {
        row.integer(0, as: UInt32.self) == LogFormat.checksum(seed, row.slice(4, row.count - 4))
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
