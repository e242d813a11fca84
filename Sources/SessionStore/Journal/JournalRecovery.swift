internal import Glibc

/// What a journal holds when it is opened: every entry that was durable, and the last one if it came through whole.
struct JournalRecovery {
    /// Ascending by position, without overlap.
    private(set) var entries: [JournalEntry] = []
    /// The highest generation found; 0 in a new file, or in one that was wiped.
    private(set) var lastGeneration: UInt64 = 0

    /// Nothing: there is no file.
    init() {}

    /// Reads the file; only entries of the log with this id count.
    init(path: String, logId: String) throws(JournalError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw JournalError(code: errno, action: "opening \(path)")
        }
        defer { close(descriptor) }
        let half = Int(FileSystem.size(path)) / 2
        var reader = ChainReader(descriptor: descriptor, logId: Array(logId.utf8))
        var chains = [try reader.chain(from: 0, to: half), try reader.chain(from: half, to: 2 * half)]
        chains.sort { $0.generation < $1.generation }
        lastGeneration = chains[1].generation
        // After a failed write its entry may be there although it was refused: then the next generation begins at the
        // same position, and counts.
        if let first = chains[1].entries.first?.firstPosition {
            chains[0].entries.removeAll { $0.firstPosition >= first }
        }
        entries = chains[0].entries + chains[1].entries
    }

    /// Forgets what is in the log already.
    mutating func drop(through position: Int64) {
        entries.removeAll { $0.lastPosition <= position }
    }
}

private struct ChainReader {
    let descriptor: Int32
    let logId: [UInt8]
    private var buffer: [UInt8] = []

    init(descriptor: Int32, logId: [UInt8]) {
        self.descriptor = descriptor
        self.logId = logId
    }

    mutating func chain(from start: Int, to end: Int) throws(JournalError) -> (
        generation: UInt64, entries: [JournalEntry]
    ) {
        var generation: UInt64 = 0
        var entries: [JournalEntry] = []
        var last: Int64 = 0
        var offset = start
        while offset + JournalLayout.blockBytes <= end {
            try read(JournalLayout.blockBytes, at: offset)
            guard let header = buffer.withUnsafeBytes({ JournalLayout.header($0, logId: logId) }),
                entries.isEmpty || header.generation == generation && header.firstPosition > last,
                offset + header.entryBytes <= end
            else { break }
            if header.entryBytes > JournalLayout.blockBytes { try read(header.entryBytes, at: offset) }
            guard buffer.withUnsafeBytes({ JournalLayout.isSound($0, header) }) else { break }
            generation = header.generation
            let rows = JournalLayout.headerBytes..<JournalLayout.headerBytes + header.rowsBytes
            let entry = JournalEntry(
                firstPosition: header.firstPosition, count: header.count, rows: Array(buffer[rows]))
            last = entry.lastPosition
            entries.append(entry)
            offset += header.entryBytes
        }
        return (generation, entries)
    }

    private mutating func read(_ count: Int, at offset: Int) throws(JournalError) {
        buffer = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let result = buffer.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress?.advanced(by: done), count - done, off_t(offset + done))
            }
            if result < 0 && errno == EINTR { continue }
            guard result >= 0 else { throw JournalError(code: errno, action: "reading the journal") }
            if result == 0 { return }
            done += result
        }
    }
}
