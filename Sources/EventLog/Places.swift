package import Base

/// For each origin of whose deliveries something is here, the sequence of the next one.
///
/// Bounded, because every segment begins with it.
struct OriginTable: Sendable, Equatable {
    struct Entry: Equatable {
        let origin: Identity
        var next: Int64
    }

    /// Origins that a log can have.
    static let countMax = 64

    /// In the order in which they came.
    private(set) var entries: [Entry] = []

    init() {}

    /// 1 of an origin that nobody has heard of.
    func next(_ origin: Identity) -> Int64 { entries.first { $0.origin == origin }?.next ?? 1 }

    func contains(_ origin: Identity) -> Bool { entries.contains { $0.origin == origin } }

    func hasRoom(for origin: Identity) -> Bool { entries.count < Self.countMax || contains(origin) }

    /// Everything up to before `next` has been here. Goes back never; without room for a further origin nothing happens.
    mutating func advance(_ origin: Identity, to next: Int64) {
        if let index = entries.firstIndex(where: { $0.origin == origin }) {
            entries[index].next = max(entries[index].next, next)
        } else if entries.count < Self.countMax {
            entries.append(Entry(origin: origin, next: max(next, 1)))
        }
    }

    mutating func merge(_ other: OriginTable) {
        for entry in other.entries { advance(entry.origin, to: entry.next) }
    }

    /// Which origin rows mean by a tag, of those that are known; nil where none does, or two.
    func origin(tagged tag: UInt32) -> Identity? {
        var found: Identity?
        for entry in entries where RowHeader.tag(entry.origin) == tag {
            if found != nil { return nil }
            found = entry.origin
        }
        return found
    }
}

/// All origins that a log has heard of: by them a row whose entry is lost is told whose it is. From any thread.
final class KnownOrigins: Sendable {
    private let table = Locked(OriginTable())

    var now: OriginTable { table.withLock { $0 } }

    func merge(_ other: OriginTable) { table.withLock { $0.merge(other) } }
}

/// Sequences in ascending, disjoint ranges that do not touch.
package struct SequenceRanges: Sendable, Equatable {
    package private(set) var ranges: [ClosedRange<Int64>] = []

    package init() {}

    var isEmpty: Bool { ranges.isEmpty }
    var first: Int64? { ranges.first?.lowerBound }

    package func contains(_ sequence: Int64) -> Bool { range(at: sequence) != nil }

    /// The range that holds a sequence.
    func range(at sequence: Int64) -> ClosedRange<Int64>? {
        let index = index(endingAtOrAfter: sequence)
        return index < ranges.count && ranges[index].contains(sequence) ? ranges[index] : nil
    }

    /// The first range that ends at a sequence or behind it.
    private func index(endingAtOrAfter sequence: Int64) -> Int {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    package mutating func add(_ range: ClosedRange<Int64>) {
        let start = index(endingAtOrAfter: range.lowerBound - 1)
        var end = start
        var merged = range
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound + 1 {
            merged = min(merged.lowerBound, ranges[end].lowerBound)...max(merged.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(start..<end, with: [merged])
    }

    mutating func remove(_ range: ClosedRange<Int64>) {
        let start = index(endingAtOrAfter: range.lowerBound)
        var end = start
        var left: [ClosedRange<Int64>] = []
        while end < ranges.count, ranges[end].lowerBound <= range.upperBound {
            let old = ranges[end]
            if old.lowerBound < range.lowerBound { left.append(old.lowerBound...range.lowerBound - 1) }
            if old.upperBound > range.upperBound { left.append(range.upperBound + 1...old.upperBound) }
            end += 1
        }
        ranges.replaceSubrange(start..<end, with: left)
    }
}

/// Which deliveries a log has, by their places.
package struct LogPlaces: Sendable, Equatable {
    var table = OriginTable()
    /// Below the next one of their origin, and not there: damage has taken them.
    private(set) var missing: [Identity: SequenceRanges] = [:]

    package static let empty = LogPlaces()

    /// For each origin the sequence up to which everything is here; those of which nothing is are left out.
    package var frontier: [Identity: Int64] {
        var frontier: [Identity: Int64] = [:]
        for entry in table.entries {
            let last = (missing[entry.origin]?.first ?? entry.next) - 1
            if last > 0 { frontier[entry.origin] = last }
        }
        return frontier
    }

    /// The last of an origin's deliveries that has been here; 0 where none has.
    package func last(of origin: Identity) -> Int64 { table.next(origin) - 1 }

    /// Whether everything up to a frontier is here.
    package func covers(_ frontier: [Identity: Int64]) -> Bool {
        frontier.allSatisfy { $0.value < missing[$0.key]?.first ?? table.next($0.key) }
    }

    /// Whether a delivery is here, or was.
    package func has(_ origin: Identity, _ sequence: Int64) -> Bool {
        sequence < table.next(origin) && missing[origin]?.contains(sequence) != true
    }

    /// What of a range is not here, and never was as far as is known.
    package func absent(_ range: ClosedRange<Int64>, of origin: Identity) -> [ClosedRange<Int64>] {
        var absent = (missing[origin]?.ranges ?? []).filter { $0.overlaps(range) }.map { $0.clamped(to: range) }
        let next = table.next(origin)
        if range.upperBound >= next { absent.append(max(next, range.lowerBound)...range.upperBound) }
        return absent
    }

    package mutating func noteMissing(_ range: ClosedRange<Int64>, of origin: Identity) {
        missing[origin, default: SequenceRanges()].add(range)
    }

    mutating func noteFound(_ range: ClosedRange<Int64>, of origin: Identity) {
        missing[origin]?.remove(range)
        if missing[origin]?.isEmpty == true { missing[origin] = nil }
    }
}
