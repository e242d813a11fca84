internal import Base

/// The account of deliveries, as a function of their set: they are ordered by when they were received, and by place.
extension SessionRecord {
    /// All deliveries, repeats included.
    package var received: Int { facts.reduce(0) { $0 + $1.deliveries } }

    /// Deliveries of facts that were known already.
    package var duplicates: Int { received - facts.count }

    /// Facts before whose first delivery there was one of a fact with a later timestamp.
    package var arrivedLate: Int {
        var count = 0
        // Of all facts with a later timestamp than those looked at.
        var earliest: Fact.Receipt?
        var end = facts.endIndex
        while end > facts.startIndex {
            // Facts of one instant are not late for one another.
            var earliestOfInstant = facts[end - 1].first
            let instant = facts[end - 1].timestamp
            while end > facts.startIndex, facts[end - 1].timestamp == instant {
                end -= 1
                if let earliest, earliest < facts[end].first { count += 1 }
                earliestOfInstant = min(earliestOfInstant, facts[end].first)
            }
            earliest = min(earliest ?? earliestOfInstant, earliestOfInstant)
        }
        return count
    }
}

extension SessionRecord {
    /// Of the set of facts: the same wherever the same facts are known, and in all likelihood another one where others are,
    /// also where these are as many. Repeats do not change it.
    package var digest: UInt64 {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
        func mix(_ word: UInt64) {
            hash = (hash ^ word) &* 0xD6E8_FEB8_6659_FD93
            hash ^= hash >> 32
        }
        for fact in facts {
            mix(UInt64(bitPattern: fact.timestamp.seconds))
            mix(UInt64(fact.timestamp.nanoseconds) << 8 | UInt64(fact.source.rawValue))
            mix(fact.payload.bytes.withUnsafeBytes { RecordChecksum.of($0) })
            for text in [fact.name.text, fact.status?.name ?? ""] {
                var text = text
                mix(text.withUTF8 { RecordChecksum.of(UnsafeRawBufferPointer($0)) })
            }
        }
        return hash
    }
}
