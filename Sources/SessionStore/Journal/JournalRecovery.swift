internal import Base
internal import Glibc

/// What a journal holds when it is opened: every entry that was durable, and the last one if it came through whole.
struct JournalRecovery {
    /// Ascending by position, without overlap.
    private(set) var entries: [JournalEntry] = []
    /// The highest generation found; 0 in a new file, or in one that was wiped.
    private(set) var lastGeneration: UInt64 = 0

    /// Reads the file, if there is one; only entries of the log with this id count.
    init(path: String, logId: String) throws(JournalError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw JournalError(code: errno, action: "opening \(path)")
        }
        defer { close(descriptor) }
        self = try JournalRecovery(size: Int(FileSystem.size(path)), logId: logId) {
            (offset, count) throws(JournalError) in
            try Self.read(descriptor, offset, count)
        }
    }

    /// - Parameters:
    ///   - size: of the file, in bytes.
    ///   - read: the bytes at an offset, which lie within the file.
    init(
        size: Int, logId: String, read: (_ offset: Int, _ count: Int) throws(JournalError) -> [UInt8]
    ) throws(JournalError) {
        let half = size / 2
        let id = Array(logId.utf8)
        var chains = [
            try Self.chain(from: 0, to: half, id, read), try Self.chain(from: half, to: 2 * half, id, read),
        ]
        chains.sort { $0.generation < $1.generation }
        lastGeneration = chains[1].generation
        // After a failed write its entry may be there although it was refused: then the next generation begins at the
        // same position, and counts.
        if let first = chains[1].entries.first?.firstPosition {
            chains[0].entries.removeAll { $0.lastPosition >= first }
        }
        entries = chains[0].entries + chains[1].entries
    }

    /// Forgets what is in the log already.
    mutating func drop(through position: Int64) {
        entries.removeAll { $0.lastPosition <= position }
    }

    private struct Chain {
        var generation: UInt64 = 0
        var entries: [JournalEntry] = []
    }

    private static func chain(
        from start: Int, to end: Int, _ logId: [UInt8], _ read: (Int, Int) throws(JournalError) -> [UInt8]
    ) throws(JournalError) -> Chain {
        var chain = Chain()
        var last: Int64 = 0
        var offset = start
        while offset + JournalLayout.blockBytes <= end {
            var bytes = try read(offset, JournalLayout.blockBytes)
            guard let header = bytes.withUnsafeBytes({ JournalLayout.header($0, logId: logId) }),
                chain.entries.isEmpty || header.generation == chain.generation, header.firstPosition > last,
                offset + header.entryBytes <= end
            else { break }
            if header.entryBytes > bytes.count { bytes = try read(offset, header.entryBytes) }
            guard bytes.withUnsafeBytes({ JournalLayout.isSound($0, header) }) else { break }
            let rows = bytes[JournalLayout.headerBytes..<JournalLayout.headerBytes + header.rowsBytes]
            let entry = JournalEntry(firstPosition: header.firstPosition, count: header.count, rows: Array(rows))
            guard entry.isWhole else { break }
            chain.generation = header.generation
            chain.entries.append(entry)
            last = entry.lastPosition
            offset += header.entryBytes
        }
        return chain
    }

    private static func read(_ descriptor: Int32, _ offset: Int, _ count: Int) throws(JournalError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let result = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress?.advanced(by: done), count - done, off_t(offset + done))
            }
            if result < 0 && errno == EINTR { continue }
            guard result >= 0 else { throw JournalError(code: errno, action: "reading the journal") }
            if result == 0 { break }
            done += result
        }
        return bytes
    }
}
