/// Connections that hold bytes of requests which are not complete, in the order in which they began to.
///
/// A value without I/O. Entries of connections that hold nothing any more stay until they are come upon, or are the most.
struct HolderQueue {
    struct Entry: Hashable {
        let slot: Int
        /// Tells one hold of a connection from the next.
        let number: UInt64
    }

    private var entries: [Entry] = []
    private var first = 0
    private var lastNumber: UInt64 = 0
    /// Connections that hold something now.
    private(set) var count = 0

    /// A connection begins to hold something.
    mutating func begin(_ slot: Int, isHolding: (Entry) -> Bool) -> UInt64 {
        lastNumber += 1
        count += 1
        if entries.count > 2 * count + 1_024 {
            entries = entries[first...].filter(isHolding)
            first = 0
        }
        entries.append(Entry(slot: slot, number: lastNumber))
        return lastNumber
    }

    /// A connection holds nothing any more.
    mutating func end() { count -= 1 }

    /// The slot of the connection that has held something the longest.
    mutating func longest(isHolding: (Entry) -> Bool) -> Int? {
        while first < entries.count {
            if isHolding(entries[first]) { return entries[first].slot }
            first += 1
        }
        entries = []
        first = 0
        return nil
    }
}
