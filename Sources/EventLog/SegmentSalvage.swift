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
        let isErased: Bool
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
    var isTornOnly: Bool { entries.count { $0.header.lastPosition > soundThrough } <= 1 }

    /// - Parameters:
    ///   - positions: those that the segment may have.
    ///   - soundThrough: the position of the last row before anything that is not sound.
    init(
        _ file: ReadFile, limit: Int, seed: UInt32, positions: ClosedRange<Int64>, soundThrough: Int64
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
        var found: [Row] = []
        offset = 0
        while offset + RowHeader.bytes <= bytes.count {
            guard let row = LogRow(bytes, offset, in: positions, seed: seed, of: nil, at: 0) else {
                offset += 1
                continue
            }
            found.append(Row(position: row.position, offset: offset, bytes: row.bytes, isErased: row.isErased))
            offset += row.bytes
        }
        found.sort { ($0.position, $0.isErased ? 0 : 1, $0.offset) < ($1.position, $1.isErased ? 0 : 1, $1.offset) }
        for row in found where row.position != rows.last?.position { rows.append(row) }
    }

    /// The header of the entry that holds a position, or of one before it: those that follow an entry without a header
    /// go on with its sequence.
    func entry(at position: Int64) -> Entry? {
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
