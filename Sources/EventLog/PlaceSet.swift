package import Base

/// Deliveries, by their places: which ones an erasure is about, for example.
package struct PlaceSet: Sendable, Equatable {
    package private(set) var ranges: [Identity: SequenceRanges] = [:]

    package init() {}

    package var isEmpty: Bool { ranges.isEmpty }

    package func contains(_ origin: Identity, _ sequence: Int64) -> Bool {
        ranges[origin]?.contains(sequence) ?? false
    }

    package mutating func insert(_ origin: Identity, _ sequences: ClosedRange<Int64>) {
        ranges[origin, default: SequenceRanges()].add(sequences)
    }

    package mutating func formUnion(_ other: PlaceSet) {
        for (origin, sequences) in other.ranges {
            for range in sequences.ranges { insert(origin, range) }
        }
    }

    package func subtracting(_ other: PlaceSet) -> PlaceSet {
        var rest = self
        for (origin, sequences) in other.ranges {
            for range in sequences.ranges { rest.ranges[origin]?.remove(range) }
            if rest.ranges[origin]?.isEmpty == true { rest.ranges[origin] = nil }
        }
        return rest
    }

    // MARK: Bytes

    /// Bytes that are read at most.
    package static let bytesMax = 64 << 20

    /// For a column: for each origin its identity, the number of ranges, and for each of them how far it begins behind the
    /// one before, and how many follow the first. Integers have seven bits a byte, the lowest first.
    package var encoded: [UInt8] {
        var bytes: [UInt8] = []
        func write(_ value: Int64) {
            var rest = UInt64(bitPattern: value)
            while rest >= 0x80 {
                bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            bytes.append(UInt8(rest))
        }
        for (origin, sequences) in ranges.sorted(by: { $0.key < $1.key }) {
            var identity = [UInt8](repeating: 0, count: Identity.byteCount)
            identity.withUnsafeMutableBytes { origin.write(to: $0, at: 0) }
            bytes += identity
            write(Int64(sequences.ranges.count))
            var last: Int64 = 0
            for range in sequences.ranges {
                write(range.lowerBound - last)
                write(range.upperBound - range.lowerBound)
                last = range.upperBound
            }
        }
        return bytes
    }

    /// Reads what `encoded` made; nil for anything else.
    package init?(decoding bytes: [UInt8]) {
        guard bytes.count <= Self.bytesMax else { return nil }
        var position = 0
        func read() -> Int64? {
            var value: UInt64 = 0
            for shift in stride(from: 0 as UInt64, to: 63, by: 7) {
                guard position < bytes.count else { return nil }
                let byte = bytes[position]
                position += 1
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return Int64(exactly: value) }
            }
            return nil
        }
        while position < bytes.count {
            guard position + Identity.byteCount <= bytes.count else { return nil }
            let origin = bytes.withUnsafeBytes { Identity($0, at: position) }
            position += Identity.byteCount
            guard let count = read(), count > 0, ranges[origin] == nil else { return nil }
            var last: Int64 = 0
            for index in 0..<count {
                // Two ranges never touch.
                guard let gap = read(), let length = read(), gap > (index == 0 ? 0 : 1),
                    gap < .max / 4, length < .max / 4, last < .max / 4
                else { return nil }
                insert(origin, last + gap...last + gap + length)
                last += gap + length
            }
        }
    }
}
