internal import Base
internal import CLinux
internal import Glibc

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

    /// The first positions of the files in a log's directory, in order; none where there is no directory.
    /// - Throws: `directory` where it cannot be read now: its files are not lost.
    static func firstPositions(in directory: String) throws(StoreError) -> [Int64] {
        do throws(SystemCallError) {
            return try FileSystem.listing(of: directory).compactMap(firstPosition(fileName:)).sorted()
        } catch {
            if error.code == ENOENT || error.code == ENOTDIR { return [] }
            throw StoreError(.directory, "\(directory) cannot be read: \(error.withRemedy)")
        }
    }

    static func firstPosition(fileName: String) -> Int64? {
        guard fileName.hasSuffix(suffix) else { return nil }
        let number = fileName.dropLast(suffix.utf8.count)
        guard number.utf8.count == digits, number.utf8.allSatisfy(ASCII.isDigit) else { return nil }
        return Int64(number).flatMap { 0 < $0 && $0 < .max / 2 ? $0 : nil }
    }
}
