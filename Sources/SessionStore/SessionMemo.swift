package import SessionModel

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

extension SQLiteSessionStore {
    package func memo(of id: String) -> MemoLookup {
        isCatchingUp ? MemoLookup(nil, .never) : parts.cache.memo(SessionKey(id))
    }

    package func keep(_ memo: any SessionMemo, of record: SessionRecord, ticket: MemoTicket) {
        parts.cache.keep(
            memo, key: SessionKey(record.sessionId), lastPosition: record.lastPosition, ticket: ticket)
    }
}
