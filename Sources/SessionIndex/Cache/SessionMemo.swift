internal import SessionModel

/// What somebody has made of a session's record and would have to make again for every query, such as the text of an
/// answer. It is kept beside the record in memory: nothing of it outlives a change of the record, or its removal.
package protocol SessionMemo: AnyObject, Sendable {
    /// About so many bytes of memory.
    var bytes: Int { get }
}

package struct MemoLookup: Sendable {
    /// What is kept, if there is anything.
    package let memo: (any SessionMemo)?
    /// What `keep` asks for; taken before the record is read.
    package let ticket: MemoTicket

    package init(_ memo: (any SessionMemo)?, _ ticket: MemoTicket) {
        self.memo = memo
        self.ticket = ticket
    }
}

/// Tells whether a record that was read later may still be the one in memory.
package struct MemoTicket: Sendable {
    let evictions: UInt64

    init(evictions: UInt64) {
        self.evictions = evictions
    }

    /// One with which nothing is kept.
    package static let never = MemoTicket(evictions: .max)
}
