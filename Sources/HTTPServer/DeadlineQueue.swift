/// What a connection is waiting for; each kind has one duration.
enum DeadlineKind: UInt8, CaseIterable, Sendable {
    case none, idle, header, body, handler, write, linger
}

/// The deadlines of a worker's connections: a list for each kind. All deadlines of a kind are equally long, so a list
/// is in order when new ones go to its end; setting, dropping and finding the next one take constant time.
struct DeadlineQueue {
    private struct Node {
        var previous: Int32 = -1
        var next: Int32 = -1
        var kind = DeadlineKind.none
        var deadline: UInt64 = 0
    }

    private struct Ends {
        var first: Int32 = -1
        var last: Int32 = -1
        var duration: UInt64
    }

    private var nodes: [Node] = []
    private var lists: [Ends]

    /// - Parameter duration: nanoseconds for a kind.
    init(duration: (DeadlineKind) -> UInt64) {
        lists = DeadlineKind.allCases.map { Ends(duration: duration($0)) }
    }

    mutating func makeRoom(slots: Int) {
        while nodes.count < slots { nodes.append(Node()) }
    }

    func kind(of slot: Int) -> DeadlineKind { nodes[slot].kind }

    /// Starts the deadline of that kind anew; `.none` drops it.
    mutating func set(_ slot: Int, _ kind: DeadlineKind, now: UInt64) {
        unlink(slot)
        guard kind != .none else { return }
        let list = Int(kind.rawValue)
        let last = lists[list].last
        nodes[slot] = Node(previous: last, next: -1, kind: kind, deadline: now + lists[list].duration)
        if last >= 0 { nodes[Int(last)].next = Int32(slot) } else { lists[list].first = Int32(slot) }
        lists[list].last = Int32(slot)
    }

    /// The earliest deadline, or nil.
    var next: UInt64? {
        var earliest: UInt64?
        for list in lists where list.first >= 0 {
            earliest = min(earliest ?? .max, nodes[Int(list.first)].deadline)
        }
        return earliest
    }

    /// Takes out one slot whose deadline has passed.
    mutating func popExpired(now: UInt64) -> (slot: Int, kind: DeadlineKind)? {
        for list in lists where list.first >= 0 && nodes[Int(list.first)].deadline <= now {
            let slot = Int(list.first)
            let kind = nodes[slot].kind
            unlink(slot)
            return (slot, kind)
        }
        return nil
    }

    /// The slot that has waited longest with that kind.
    func first(_ kind: DeadlineKind) -> Int? {
        let first = lists[Int(kind.rawValue)].first
        return first >= 0 ? Int(first) : nil
    }

    private mutating func unlink(_ slot: Int) {
        let node = nodes[slot]
        guard node.kind != .none else { return }
        let list = Int(node.kind.rawValue)
        if node.previous >= 0 {
            nodes[Int(node.previous)].next = node.next
        } else {
            lists[list].first = node.next
        }
        if node.next >= 0 {
            nodes[Int(node.next)].previous = node.previous
        } else {
            lists[list].last = node.previous
        }
        nodes[slot].kind = .none
    }
}
