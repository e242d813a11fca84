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
