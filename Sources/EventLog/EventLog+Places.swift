package import Base
internal import Dispatch

/// One delivery of an origin, as the log has it.
package struct PlacedDelivery: Sendable, Equatable {
    package let sequence: Int64
    /// 0 where nothing is left but the place.
    package let receivedMicroseconds: Int64
    package let source: UInt8
    package let body: [UInt8]
}

/// Rows that fill a hole: they stand behind later deliveries of their origin.
struct LateRows: Sendable {
    let origin: Identity
    let sequences: ClosedRange<Int64>
    let firstPosition: Int64

    init(_ entry: CommittedBatch.Entry) {
        origin = entry.origin
        sequences = entry.firstSequence...entry.lastSequence
        firstPosition = entry.firstPosition
    }

    init(_ origin: Identity, _ sequences: ClosedRange<Int64>, at position: Int64) {
        self.origin = origin
        self.sequences = sequences
        firstPosition = position
    }
}

/// Where a reader of an origin's deliveries has come: the next call begins there.
struct PlaceHint: Sendable {
    let sequence: Int64
    let position: Int64
}

/// Deliveries by their places. The rows of an origin stand in the order of their sequences, but for those that fill a hole;
/// each segment says where each origin stood when it began.
extension EventLog {
    /// The deliveries of an origin behind `sequence`, in order and without a gap: of what was erased, or is lost, the place
    /// alone. At least one where there is one, otherwise within both bounds. Blocks.
    package func deliveries(
        of origin: Identity, after sequence: Int64, countMax: Int, bytesMax: Int
    ) throws(StoreError) -> [PlacedDelivery] {
        let last = places.withLock { $0.table.next(origin) } - 1
        guard sequence < last else { return [] }
        let segments = segments.withLock { $0 }
        var page = PlacePage(next: max(sequence, 0) + 1, countMax: countMax, bytesMax: bytesMax)
        var reached: Int64 = 0
        if let hint = placeHints.withLock({ $0[origin] }), hint.sequence == sequence { reached = hint.position }
        let start =
            reached > 0
            ? segments.lastIndex { $0.firstPosition <= reached + 1 }
            : segments.lastIndex { $0.header.map { $0.table.next(origin) <= page.next } ?? false }
        for index in (start ?? 0)..<segments.count where !page.isFull {
            let segment = segments[index]
            let next = segments[(index + 1)...].lazy.compactMap { $0.header?.table.next(origin) }.first ?? last + 1
            if !segment.isEmptied {
                let position = reached
                let read = try read(segment, after: position, of: origin, through: last, into: &page)
                reached = max(reached, read)
            }
            // What the segment had, and has no more.
            while page.next < next, !page.isFull {
                if segment.isEmptied {
                    page.add(.gone(page.next, RowHeader.sourceErased))
                } else {
                    try addLate(origin, &page)
                }
            }
        }
        if let sequence = page.found.last?.sequence {
            let hint = PlaceHint(sequence: sequence, position: reached)
            placeHints.withLock { $0[origin] = hint }
        }
        return page.found
    }

    /// The position of the first row of an origin behind a sequence, those that fill a hole aside; nil where there is none.
    /// Blocks.
    package func position(of origin: Identity, after sequence: Int64) throws(StoreError) -> Int64? {
        guard sequence < places.withLock({ $0.table.next(origin) }) - 1 else { return nil }
        let segments = segments.withLock { $0 }
        let start = segments.lastIndex { $0.header.map { $0.table.next(origin) <= max(sequence, 0) + 1 } ?? false }
        for segment in segments[(start ?? 0)...] where !segment.isEmptied {
            if let salvage = segment.salvage {
                let row = salvage.rows.first { $0.origin == origin && $0.sequence > sequence }
                if let row { return row.position }
                continue
            }
            var walk = segment.walk(to: segment.firstPosition)
            while case .entry(let header, _) = try walk.next() {
                guard header.origin == origin, header.lastSequence > sequence, !header.flags.contains(.late) else {
                    continue
                }
                return header.firstPosition + max(0, sequence + 1 - header.firstSequence)
            }
        }
        return nil
    }

    /// - Returns: the position of the last row that was looked at and is not needed again.
    private func read(
        _ segment: Segment, after position: Int64, of origin: Identity, through last: Int64, into page: inout PlacePage
    ) throws(StoreError) -> Int64 {
        var reached = position
        do throws(WalkError<StoreError>) {
            _ = try segment.read(after: position, through: .max, all: true, tell: tell) { (row) throws(StoreError) in
                if row.origin == origin, row.sequence >= page.next, !row.isLate {
                    guard row.sequence <= last else { return false }
                    while page.next < row.sequence, !page.isFull { try addLate(origin, &page) }
                    guard !page.isFull, page.add(PlacedDelivery(row)) else { return false }
                }
                reached = row.position
                return !page.isFull
            }
        } catch {
            switch error {
            case .log(let error), .visitor(let error): throw error
            }
        }
        return reached
    }

    /// What filled the hole at the page's next place; where nothing did, it is lost.
    private func addLate(_ origin: Identity, _ page: inout PlacePage) throws(StoreError) {
        let sequence = page.next
        let rows = try knownLateRows().last { $0.origin == origin && $0.sequences.contains(sequence) }
        guard let rows else {
            page.add(.gone(sequence, RowHeader.sourceLost))
            return
        }
        let position = rows.firstPosition + sequence - rows.sequences.lowerBound
        var found: PlacedDelivery?
        if let segment = segments.withLock({ $0 }).last(where: { $0.firstPosition <= position }) {
            do throws(WalkError<Never>) {
                _ = try segment.read(after: position - 1, through: position, all: true, tell: tell) {
                    (row) throws(Never) in
                    found = PlacedDelivery(row)
                    return false
                }
            } catch {
                if case .log(let error) = error { throw error }
            }
        }
        page.add(found ?? .gone(sequence, RowHeader.sourceLost))
    }

    // MARK: Holes

    func noteLate(_ rows: LateRows) { lateRows.withLock { $0?.append(rows) } }

    /// Seldom asked for, so found when it is: by walking over all headers of entries, once. Not on the log's queue; blocks.
    private func knownLateRows() throws(StoreError) -> [LateRows] {
        try lateSearch.withLock { (isDone) throws(StoreError) in
            if !isDone {
                // From here on what is appended is noted.
                lateRows.withLock { $0 = [] }
                var found: [LateRows] = []
                for segment in segments.withLock({ $0 }) { try found += segment.lateRows() }
                let rows = found
                lateRows.withLock { known in
                    let noted = Set((known ?? []).map(\.firstPosition))
                    known = rows.filter { !noted.contains($0.firstPosition) } + (known ?? [])
                }
                isDone = true
            }
            return lateRows.withLock { $0 ?? [] }
        }
    }

    /// Takes note of what damage has taken, so that it can be had again. Not on the log's queue; blocks.
    func accountMissing() throws(StoreError) {
        let known = places.withLock { $0 }
        let segments = segments.withLock { $0 }
        var found = LogPlaces()
        // Whether `found` says where the segment before has ended.
        var isExact = true
        for (index, segment) in segments.enumerated() {
            let next = index + 1 < segments.count ? segments[index + 1] : nil
            if let header = segment.header {
                if isExact { found.noteMissing(upTo: header.table) }
                found.table.merge(header.table)
            }
            isExact = false
            if segment.isEmptied { continue }
            if let salvage = segment.endsTorn ? try segment.makeSalvage(tell: tell) : segment.salvage {
                salvage.account(in: &found)
            } else if let next, next.header?.previousFirstPosition != segment.firstPosition {
                // The one behind it is not there, or not sound.
                try segment.account(in: &found)
            } else {
                continue
            }
            isExact = true
        }
        if isExact { found.noteMissing(upTo: known.table) }
        guard !found.missing.isEmpty else { return }
        for rows in try knownLateRows() { found.noteFound(rows.sequences, of: rows.origin) }
        let missing = found.missing
        queue.sync {
            // What was filled meanwhile is not missing.
            let late = lateRows.withLock { $0 ?? [] }
            places.withLock { places in
                for (origin, ranges) in missing where places.table.contains(origin) {
                    for range in ranges.ranges where range.lowerBound < places.table.next(origin) {
                        places.noteMissing(range, of: origin)
                    }
                }
                for rows in late { places.noteFound(rows.sequences, of: rows.origin) }
            }
        }
    }
}

/// Deliveries that are collected up to both bounds, each at the place behind the one before it.
private struct PlacePage {
    private(set) var next: Int64
    private(set) var found: [PlacedDelivery] = []
    private(set) var isFull = false
    private var bytes = 0
    private let countMax: Int
    private let bytesMax: Int

    init(next: Int64, countMax: Int, bytesMax: Int) {
        self.next = next
        self.countMax = max(countMax, 1)
        self.bytesMax = bytesMax
    }

    /// - Returns: false where there was no room.
    @discardableResult
    mutating func add(_ delivery: PlacedDelivery) -> Bool {
        if !found.isEmpty, bytes + delivery.body.count > bytesMax {
            isFull = true
            return false
        }
        found.append(delivery)
        bytes += delivery.body.count
        next += 1
        isFull = found.count >= countMax
        return true
    }
}

extension PlacedDelivery {
    fileprivate init(_ row: LogRow) {
        sequence = row.sequence
        receivedMicroseconds = row.receivedMicroseconds
        source = row.source
        body = row.isGone ? [] : [UInt8](row.body)
    }

    fileprivate static func gone(_ sequence: Int64, _ source: UInt8) -> PlacedDelivery {
        PlacedDelivery(sequence: sequence, receivedMicroseconds: 0, source: source, body: [])
    }
}

extension LogPlaces {
    /// What of a piece is not here, as entries: holes that it fills, and what follows behind everything.
    func runs(of pulled: PulledRows) throws(StoreError) -> [LogAppender.Run] {
        let (origin, first) = (pulled.origin, pulled.firstSequence)
        guard !pulled.items.isEmpty else { return [] }
        guard first >= 1, table.hasRoom(for: origin) else { throw .originsFull }
        let next = table.next(origin)
        guard first <= next else {
            throw StoreError(.placesMissing, "deliveries of \(origin) from \(next) to \(first - 1) are missing")
        }
        let last = first + Int64(pulled.items.count) - 1
        func run(_ range: ClosedRange<Int64>, _ flags: EntryHeader.Flags) -> LogAppender.Run {
            let items = pulled.items[Int(range.lowerBound - first)...Int(range.upperBound - first)]
            return LogAppender.Run(items, origin, from: range.lowerBound, flags)
        }
        var runs: [LogAppender.Run] = []
        for range in missing[origin]?.ranges ?? [] where range.overlaps(first...last) {
            runs.append(run(range.clamped(to: first...last), .late))
        }
        if last >= next { runs.append(run(next...last, [])) }
        return runs
    }

    /// Everything from where an origin stands up to where it should.
    fileprivate mutating func noteMissing(upTo table: OriginTable) {
        for entry in table.entries where self.table.next(entry.origin) < entry.next {
            noteMissing(self.table.next(entry.origin)...entry.next - 1, of: entry.origin)
        }
    }
}

extension Segment {
    /// Advances over everything in it.
    func account(in places: inout LogPlaces) throws(StoreError) {
        var walk = walk(to: firstPosition)
        while case .entry(let header, _) = try walk.next() {
            places.table.advance(header.origin, to: header.lastSequence + 1)
        }
    }

    fileprivate func lateRows() throws(StoreError) -> [LateRows] {
        if isEmptied { return [] }
        var found: [LateRows] = []
        if let salvage {
            for row in salvage.rows {
                let entry = salvage.entry(holding: row.position)?.header
                guard entry?.flags.contains(.late) ?? (row.sequence < header?.table.next(row.origin) ?? 0) else {
                    continue
                }
                found.append(LateRows(row.origin, row.sequence...row.sequence, at: row.position))
            }
            return found
        }
        var walk = walk(to: firstPosition)
        while case .entry(let header, _) = try walk.next() {
            guard header.flags.contains(.late) else { continue }
            found.append(LateRows(header.origin, header.firstSequence...header.lastSequence, at: header.firstPosition))
        }
        return found
    }
}

extension SegmentSalvage {
    /// Advances over everything in it, and notes what is missing.
    func account(in places: inout LogPlaces) {
        var found: [Identity: SequenceRanges] = [:]
        var ends: [Identity: Int64] = [:]
        for row in rows where row.origin != .none && row.sequence >= places.table.next(row.origin) {
            found[row.origin, default: SequenceRanges()].add(row.sequence...row.sequence)
            ends[row.origin] = max(ends[row.origin] ?? 0, row.sequence)
        }
        for entry in entries {
            ends[entry.header.origin] = max(ends[entry.header.origin] ?? 0, entry.header.lastSequence)
        }
        // In an order that is the same each time.
        for (origin, end) in ends.sorted(by: { $0.key < $1.key }) {
            let start = places.table.next(origin)
            guard end >= start else { continue }
            places.noteMissing(start...end, of: origin)
            for range in found[origin]?.ranges ?? [] { places.noteFound(range, of: origin) }
            places.table.advance(origin, to: end + 1)
        }
    }
}

extension StoreError {
    static let originsFull = StoreError(
        .originsFull, "the log holds deliveries of \(OriginTable.countMax) receivers or lives of receivers already")
}
