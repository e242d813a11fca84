import Base
import Dispatch
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport

@testable import SessionStore

extension DiskSessionStore {
    func erase(_ userId: String) async throws -> ErasureReport {
        try await withCheckedThrowingContinuation { continuation in
            eraseUser(userId) { continuation.resume(with: $0) }
        }
    }

    func removeEnded(before cutoff: Instant) async throws -> ErasureReport {
        try await withCheckedThrowingContinuation { continuation in
            removeSessions(endedBefore: cutoff) { continuation.resume(with: $0) }
        }
    }

    /// Waits for what the opening has resumed.
    func finishErasures() {
        eraser?.queue.sync {}
    }
}

/// A history of some users: ids that are found nowhere by chance.
struct UserHistories {
    static func userId(_ index: Int) -> String { "usr-\(index)-5f2c9ea1" }
    static func sessionId(_ user: Int, _ session: Int) -> String { "ses-\(user)x\(session)-77b0c4" }

    /// Deliveries of every user, interleaved, some of them twice, with payloads of many sizes.
    static func deliveries(users: Int, sessions: Int, random: inout Seeded) throws -> [Delivery] {
        var all: [Delivery] = []
        for user in 0..<users {
            for session in 0..<sessions {
                let id = sessionId(user, session)
                let names = ["SESSION_STARTED", "SESSION_FEE_INCURRING", "SESSION_STOPPED", "SESSION_COMPLETE"]
                for (step, name) in names.enumerated() {
                    var extra = name == "SESSION_FEE_INCURRING" ? "" : #","userId":"\#(userId(user))""#
                    extra += #","note":"\#(String(repeating: "n", count: Int(random.next() % 900)))""#
                    let one = try delivery(name, id, at: Int64(session * 100 + step), extra: extra)
                    all.append(one)
                    if random.next() % 4 == 0 { all.append(one) }
                }
            }
        }
        return all.shuffled(using: &random)
    }
}

/// Every session's record as bytes.
func encodedRecords(_ store: DiskSessionStore, of users: some Sequence<Int>, sessions: Int) async throws
    -> [String: [UInt8]]
{
    var records: [String: [UInt8]] = [:]
    for user in users {
        for session in 0..<sessions {
            let id = UserHistories.sessionId(user, session)
            records[id] = try await store.record(id)?.encoded()
        }
    }
    return records
}
