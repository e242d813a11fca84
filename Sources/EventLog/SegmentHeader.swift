internal import Base

/// The first block of a segment.
///
///     offset  bytes
///          0      8  magic and format version
///          8     16  the log's identity
///         24     16  the origin of this directory's own deliveries from here on
///         40      8  first position
///         48      8  seal of the entry before it; 0 in the first segment of a log
///         56      8  first position of the segment before it; 0 in the first one
///         64      8  0, or the last position of a segment that was emptied: nothing of it is left but this block
///         72      8  seal of the last entry, where the segment was emptied
///         80      8  number of origins
///         88   1536  for each of them, up to 64: its identity, and the sequence of its next delivery
///       1624      4  checksum of everything before it
///       2048   1628  the same once more
struct SegmentHeader: Equatable {
    var identity: Identity
    var origin: Identity
    /// Of all origins of which something stands before this segment.
    var table: OriginTable
    var firstPosition: Int64
    var previousSeal: UInt64
    var previousFirstPosition: Int64
    var emptiedThrough: Int64 = 0
    var emptiedSeal: UInt64 = 0

    static let bytes = tableStart + OriginTable.countMax * entryBytes + 4
    private static let tableStart = 88
    private static let entryBytes = Identity.byteCount + 8
    /// "CFLOG\0\0\1"
    private static let magic: UInt64 = 0x0100_0047_4F4C_4643

    /// - Parameter block: a whole block of zeros.
    func write(to block: UnsafeMutableRawBufferPointer) {
        for copy in [0, Self.copyStart] { writeOnce(to: block.slice(copy, Self.bytes)) }
    }

    /// A block with two headers: at every moment of its being written over the one with the other, one of them is whole.
    func write(to block: UnsafeMutableRawBufferPointer, before next: SegmentHeader) {
        writeOnce(to: block.slice(0, Self.bytes))
        next.writeOnce(to: block.slice(Self.copyStart, Self.bytes))
    }

    private func writeOnce(to block: UnsafeMutableRawBufferPointer) {
        block.store(Self.magic, 0)
        identity.write(to: block, at: 8)
        origin.write(to: block, at: 24)
        block.store(firstPosition, 40)
        block.store(previousSeal, 48)
        block.store(previousFirstPosition, 56)
        block.store(emptiedThrough, 64)
        block.store(emptiedSeal, 72)
        block.store(UInt64(table.entries.count), 80)
        for (index, entry) in table.entries.enumerated() {
            entry.origin.write(to: block, at: Self.tableStart + index * Self.entryBytes)
            block.store(entry.next, Self.tableStart + index * Self.entryBytes + Identity.byteCount)
        }
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

    /// Whether every byte of a block is as it was written.
    static func isWhole(_ block: UnsafeRawBufferPointer) -> Bool {
        guard block.count == LogFormat.blockBytes, let first = SegmentHeader(copy: block),
            let second = SegmentHeader(copy: block.slice(copyStart, bytes))
        else { return false }
        var expected = [UInt8](repeating: 0, count: LogFormat.blockBytes)
        expected.withUnsafeMutableBytes { first.write(to: $0, before: second) }
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
        firstPosition = block.integer(40)
        previousSeal = block.integer(48)
        previousFirstPosition = block.integer(56)
        emptiedThrough = block.integer(64)
        emptiedSeal = block.integer(72)
        table = OriginTable()
        // Nothing that others count on from here overflows.
        let counts: Range<Int64> = 1..<Int64.max / 2
        guard counts.contains(firstPosition),
            emptiedThrough == 0 || firstPosition - 1..<Int64.max / 2 ~= emptiedThrough,
            0..<Int64.max / 2 ~= previousFirstPosition,
            let count = Int(exactly: block.integer(80, as: UInt64.self)), count <= OriginTable.countMax
        else { return nil }
        for index in 0..<count {
            let origin = Identity(block, at: Self.tableStart + index * Self.entryBytes)
            let next: Int64 = block.integer(Self.tableStart + index * Self.entryBytes + Identity.byteCount)
            guard counts.contains(next), !table.contains(origin) else { return nil }
            table.advance(origin, to: next)
        }
    }

    init(
        identity: Identity, origin: Identity, table: OriginTable, firstPosition: Int64, previousSeal: UInt64,
        previousFirstPosition: Int64
    ) {
        self.identity = identity
        self.origin = origin
        self.table = table
        self.firstPosition = firstPosition
        self.previousSeal = previousSeal
        self.previousFirstPosition = previousFirstPosition
    }
}
