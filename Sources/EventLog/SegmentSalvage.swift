internal import Base

/// What is sound in a segment that is damaged: every row that is as it was written, wherever it stands, and every header
/// of an entry.
///
/// Rows say which they are, so none is needed to find another. Where a position is found twice, what was erased counts.
struct SegmentSalvage: Sendable {
    struct Row {
        let position: Int64
        let offset: Int
        /// With its header.
        let bytes: Int
        let isGone: Bool
        /// `.none` where nobody can say.
        let origin: Identity
        let sequence: Int64
    }

    struct Entry {
        let header: EntryHeader
        let offset: Int
    }

    /// Each position once, in their order.
    private(set) var rows: [Row] = []
    /// In the order of their positions.
    private(set) var entries: [Entry] = []
    /// How much of the file was looked through.
    let limit: Int
    /// The position of the last row before anything that is not sound.
    let soundThrough: Int64

    /// Whether it may be a commit that a power cut has torn: nothing that was written after it.
    var isTornOnly: Bool {
        Set(entries.lazy.filter { $0.header.lastPosition > soundThrough }.map(\.header.commit)).count <= 1
    }

    /// - Parameters:
    ///   - positions: those that the segment may have.
    ///   - soundThrough: the position of the last row before anything that is not sound.
    ///   - origins: those whose rows may be there, and where their sequences are about.
    init(
        _ file: ReadFile, limit: Int, seed: UInt32, positions: ClosedRange<Int64>, soundThrough: Int64,
        origins: OriginTable
    ) throws(StoreError) {
        self.limit = limit
        self.soundThrough = soundThrough
        var window = ReadWindow(file, limit: limit)
        let bytes = try window.bytes(0, limit)
        // From the very start: blocks may have changed their places.
        var offset = 0
        while offset + EntryHeader.bytes <= bytes.count {
            if bytes.integer(offset, as: UInt32.self) == EntryHeader.magic,
                let header = EntryHeader(bytes.slice(offset, EntryHeader.bytes), seed: seed),
                positions.contains(header.firstPosition)
            {
                entries.append(Entry(header: header, offset: offset))
            }
            offset += LogFormat.alignment
        }
        entries.sort { $0.header.firstPosition < $1.header.firstPosition }
        var origins = origins
        for entry in entries { origins.advance(entry.header.origin, to: entry.header.firstSequence) }
        var found: [Row] = []
        offset = 0
        while offset + RowHeader.bytes <= bytes.count {
            guard let row = LogRow.find(bytes, offset, in: positions, seed: seed) else {
                offset += 1
                continue
            }
            found.append(Row(row, at: offset, of: entry(holding: row.position)?.header, origins))
            offset += RowHeader.bytes + row.body.count
        }
        found.sort { ($0.position, $0.isGone ? 0 : 1, $0.offset) < ($1.position, $1.isGone ? 0 : 1, $1.offset) }
        for row in found where row.position != rows.last?.position { rows.append(row) }
    }

    /// The sound header of the entry that holds a position.
    func entry(holding position: Int64) -> Entry? {
        guard let entry = entry(at: position), entry.header.lastPosition >= position else { return nil }
        return entry
    }

    /// The header of the entry that holds a position, or of the last one before it.
    private func entry(at position: Int64) -> Entry? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].header.firstPosition <= position { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? entries[low - 1] : nil
    }

    /// The first row behind a position.
    func index(after position: Int64) -> Int {
        var low = 0
        var high = rows.count
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].position <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func row(at position: Int64) -> Row? {
        let index = index(after: position - 1)
        return index < rows.count && rows[index].position == position ? rows[index] : nil
    }

    /// The highest position of which anything is known; nil where there is nothing.
    var lastPosition: Int64? {
        [rows.last?.position, entries.last?.header.lastPosition].compactMap { $0 }.max()
    }

    /// How many positions up to `last` have no row, and the range that they are in.
    func missing(from first: Int64, through last: Int64) -> (count: Int, range: ClosedRange<Int64>)? {
        var count = 0
        var lowest = Int64.max
        var highest = Int64.min
        var expected = first
        func note(through end: Int64) {
            guard end >= expected else { return }
            count += Int(end - expected) + 1
            lowest = min(lowest, expected)
            highest = max(highest, end)
        }
        for row in rows where row.position <= last {
            note(through: row.position - 1)
            expected = row.position + 1
        }
        note(through: last)
        return count > 0 ? (count, lowest...highest) : nil
    }

    /// Everything from `start` to `end` that is neither a sound header nor a sound row.
    func unsoundBytes(from start: Int, end: Int) -> [Range<Int>] {
        var sound = rows.map { $0.offset..<$0.offset + $0.bytes }
        sound += entries.map { $0.offset..<$0.offset + EntryHeader.bytes }
        sound.sort { $0.lowerBound < $1.lowerBound }
        var unsound: [Range<Int>] = []
        var start = start
        for range in sound {
            if range.lowerBound > start { unsound.append(start..<range.lowerBound) }
            start = max(start, range.upperBound)
        }
        if end > start { unsound.append(start..<end) }
        return unsound
    }
}

extension SegmentSalvage.Row {
    /// What its entry says, or, where that is lost, the row itself.
    fileprivate init(_ row: LogRow.Found, at offset: Int, of entry: EntryHeader?, _ origins: OriginTable) {
        position = row.position
        self.offset = offset
        bytes = RowHeader.bytes + row.body.count
        isGone = row.header.source >= RowHeader.sourceLost
        if let entry {
            origin = entry.origin
            sequence = entry.firstSequence + row.position - entry.firstPosition
        } else if let named = origins.origin(tagged: row.header.originTag) {
            origin = named
            sequence = row.header.sequence(near: origins.next(named))
        } else {
            origin = .none
            sequence = row.position
        }
    }
}
