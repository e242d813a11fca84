package import Base

/// One delivery as the log has it. The body is valid only while the row is visited.
package struct LogRow {
    /// Ascending, in the order of arrival in this log; starts at 1.
    package let position: Int64
    /// Microseconds since 1970.
    package let receivedMicroseconds: Int64
    /// What the writer has said; `FactSource`.
    package let source: UInt8
    /// Who received it, and as which of its deliveries: (origin, sequence) names it everywhere, for ever.
    package let origin: Identity
    package let sequence: Int64
    package let body: UnsafeRawBufferPointer
    /// Of the entry that holds it; 0 where that is not known.
    package let seal: UInt64
    /// It fills a hole that damage had left: what was folded may have it already.
    package let isLate: Bool
    /// Where the row begins in its segment.
    let offset: Int
}

/// A place of the log that is not as it was written.
package struct LogDamage: Sendable, Equatable {
    package enum Kind: String, Sendable {
        /// Bytes of a segment are not as they were written; what is sound among them is read one by one.
        case unsound
        /// A segment is missing.
        case missing
        /// A header of a segment, or of an entry, while no row is missing.
        case header
        /// The end: a commit that a power cut has torn, which nobody was told of; or damage.
        case end
    }

    package let kind: Kind
    /// The segment's file.
    package let file: String
    /// Where it begins.
    package let offset: Int
    /// The positions in question; nil where nobody can say.
    package let positions: ClosedRange<Int64>?
    /// How many of them are missing; the others could be saved. nil where nobody can say.
    package let missing: Int?
}

/// Walks over the entries of one segment, verifying everything that it passes, until it comes to something that is not as
/// it should be. From there on `SegmentSalvage` helps.
struct SegmentWalk: ~Copyable {
    enum Item {
        /// A sound header, in its place; its rows are not verified yet.
        case entry(EntryHeader, offset: Int)
        /// Nothing but zeros follows.
        case end
        /// Something else.
        case unsound
    }

    /// What a walk knows of the entry before the one that it stands at.
    struct Place {
        var offset = LogFormat.entriesStart
        /// The position of the next row.
        var position: Int64
        /// nil: not known.
        var previousSeal: UInt64?
    }

    private var window: ReadWindow
    private let seed: UInt32
    private(set) var place: Place

    init(_ file: ReadFile, limit: Int, seed: UInt32, from place: Place) {
        window = ReadWindow(file, limit: limit)
        self.seed = seed
        self.place = place
    }

    mutating func next() throws(StoreError) -> Item {
        let head = try window.bytes(place.offset, EntryHeader.bytes)
        guard let header = EntryHeader(head, seed: seed) else {
            return try window.firstNonzero(from: place.offset) == nil ? .end : .unsound
        }
        let offset = place.offset
        guard header.firstPosition == place.position, place.previousSeal ?? header.previousSeal == header.previousSeal,
            offset + header.entryBytes <= window.limit
        else { return .unsound }
        place = Place(
            offset: offset + header.stride, position: header.lastPosition + 1, previousSeal: header.seal)
        return .entry(header, offset: offset)
    }

    /// Visits the rows of an entry that was passed, in their order, until `visit` returns false or one is not sound.
    /// - Parameter all: also those of which nothing is left but their place.
    /// - Returns: whether everything was sound, as far as it was looked at.
    mutating func forEachRow<Failure: Error>(
        of header: EntryHeader, at offset: Int, all: Bool = false, visit: (LogRow) throws(Failure) -> Bool
    ) throws(WalkError<Failure>) -> Bool {
        let entry: UnsafeRawBufferPointer
        do throws(StoreError) { entry = try window.bytes(offset, header.stride) } catch { throw .log(error) }
        guard entry.count >= header.entryBytes else { return false }
        var checksum = RowsChecksum(seed: seed)
        var start = EntryHeader.bytes
        for position in header.positions {
            guard let found = LogRow.find(entry, start, in: position...position, seed: seed) else { return false }
            checksum.add(entry.integer(start))
            let row = LogRow(
                found, origin: header.origin, sequence: header.firstSequence + position - header.firstPosition,
                seal: header.seal, isLate: header.flags.contains(.late), at: offset + start)
            start += row.bytes
            if row.isGone && !all { continue }
            do throws(Failure) {
                guard try visit(row) else { return true }
            } catch { throw .visitor(error) }
        }
        return checksum.value == header.rowsChecksum && start == header.entryBytes
            && entry[header.entryBytes...].allSatisfy { $0 == 0 }
    }

    /// The bytes of an entry that was passed. Valid until the next call.
    mutating func bytes(of header: EntryHeader, at offset: Int) throws(StoreError) -> UnsafeRawBufferPointer {
        try window.bytes(offset, header.entryBytes)
    }
}

extension LogRow {
    /// Bytes of the row, with its header.
    var bytes: Int { RowHeader.bytes + body.count }

    /// Nothing is left of it but its place: it was erased, or its origin has lost it. Nobody is shown it.
    var isGone: Bool { Self.isGone(source: source) }

    package static func isGone(source: UInt8) -> Bool { source >= RowHeader.sourceLost }

    /// A sound row, whosever it is.
    struct Found {
        let position: Int64
        let header: RowHeader
        let body: UnsafeRawBufferPointer
    }

    /// The row at an offset, if it is sound and at one of those positions.
    static func find(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, in positions: ClosedRange<Int64>, seed: UInt32
    ) -> Found? {
        guard offset + RowHeader.bytes <= bytes.count else { return nil }
        let low = bytes.integer(offset + 4, as: UInt32.self)
        // The least position from the lower bound on that ends in those bits.
        let position = positions.lowerBound + Int64(low &- UInt32(truncatingIfNeeded: positions.lowerBound))
        guard position <= positions.upperBound else { return nil }
        let row = RowHeader(bytes.slice(offset, RowHeader.bytes))
        guard row.bodyBytes <= bytes.count - offset - RowHeader.bytes,
            RowHeader.isSound(bytes.slice(offset, RowHeader.bytes + row.bodyBytes), seed: seed)
        else { return nil }
        return Found(position: position, header: row, body: bytes.slice(offset + RowHeader.bytes, row.bodyBytes))
    }

    init(_ found: Found, origin: Identity, sequence: Int64, seal: UInt64, isLate: Bool, at offset: Int) {
        position = found.position
        receivedMicroseconds = found.header.receivedMicroseconds
        source = found.header.source
        self.origin = origin
        self.sequence = sequence
        body = found.body
        self.seal = seal
        self.isLate = isLate
        self.offset = offset
    }
}

enum WalkError<Visitor: Error>: Error {
    case log(StoreError)
    case visitor(Visitor)
}
