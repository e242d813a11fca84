internal import SessionModel

/// What the journal's file looks like.
///
/// Two halves, used in turn. A half holds a chain of entries from its start; each begins at a multiple of `blockBytes`
/// with a header, and the rows follow. All entries of one use of a half carry the same generation, a higher one than any
/// before it, so what is left of earlier uses never continues a chain. A chain ends where no sound entry follows.
///
///     offset  bytes
///          0      8  magic
///          8     32  the log's id, in hexadecimal digits
///         40      8  generation
///         48      8  position of the first row
///         56      4  number of rows
///         60      4  bytes of the rows
///         64      8  checksum of everything before it and of the rows
///
/// Integers are little-endian.
enum JournalLayout {
    static let fileName = "log.journal"
    /// What direct I/O asks for on every usual device.
    static let blockBytes = 4_096
    static let headerBytes = 72
    static let logIdBytes = 32
    /// "CFJRNL01"
    private static let magic: UInt64 = 0x3130_4C4E_524A_4643

    static func roundedUp(_ bytes: Int) -> Int { (bytes + blockBytes - 1) / blockBytes * blockBytes }

    struct Header {
        var generation: UInt64
        var firstPosition: Int64
        var count: Int
        var rowsBytes: Int
        /// From the start of the entry to where the next one may begin.
        var entryBytes: Int { roundedUp(headerBytes + rowsBytes) }
    }

    /// Writes the header of an entry whose rows are in place already.
    static func seal(_ entry: UnsafeMutableRawBufferPointer, _ header: Header, logId: [UInt8]) {
        entry.storeBytes(of: magic.littleEndian, as: UInt64.self)
        for index in 0..<logIdBytes { entry[8 + index] = index < logId.count ? logId[index] : 0 }
        entry.storeBytes(of: header.generation.littleEndian, toByteOffset: 40, as: UInt64.self)
        entry.storeBytes(of: header.firstPosition.littleEndian, toByteOffset: 48, as: Int64.self)
        entry.storeBytes(of: UInt32(header.count).littleEndian, toByteOffset: 56, as: UInt32.self)
        entry.storeBytes(of: UInt32(header.rowsBytes).littleEndian, toByteOffset: 60, as: UInt32.self)
        let sum = checksum(UnsafeRawBufferPointer(entry), rowsBytes: header.rowsBytes)
        entry.storeBytes(of: sum.littleEndian, toByteOffset: 64, as: UInt64.self)
    }

    /// Reads a header; whether the entry is sound is known once its rows are there, too.
    static func header(_ bytes: UnsafeRawBufferPointer, logId: [UInt8]) -> Header? {
        guard bytes.count >= headerBytes, UInt64(littleEndian: bytes.load(as: UInt64.self)) == magic,
            bytes[8..<8 + logIdBytes].elementsEqual(logId)
        else { return nil }
        let header = Header(
            generation: UInt64(littleEndian: bytes.load(fromByteOffset: 40, as: UInt64.self)),
            firstPosition: Int64(littleEndian: bytes.load(fromByteOffset: 48, as: Int64.self)),
            count: Int(UInt32(littleEndian: bytes.load(fromByteOffset: 56, as: UInt32.self))),
            rowsBytes: Int(UInt32(littleEndian: bytes.load(fromByteOffset: 60, as: UInt32.self))))
        return header.generation > 0 && header.count > 0 && header.firstPosition < .max / 2 ? header : nil
    }

    static func isSound(_ entry: UnsafeRawBufferPointer, _ header: Header) -> Bool {
        UInt64(littleEndian: entry.load(fromByteOffset: 64, as: UInt64.self))
            == checksum(entry, rowsBytes: header.rowsBytes)
    }

    private static func checksum(_ entry: UnsafeRawBufferPointer, rowsBytes: Int) -> UInt64 {
        let head = RecordChecksum.of(UnsafeRawBufferPointer(rebasing: entry[..<64]))
        let rows = RecordChecksum.of(UnsafeRawBufferPointer(rebasing: entry[headerBytes..<headerBytes + rowsBytes]))
        return head &+ rows &* 0x9E37_79B9_7F4A_7C15
    }
}
