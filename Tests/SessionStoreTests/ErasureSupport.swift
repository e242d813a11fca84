import Dispatch
import SessionModel
import Synchronization

@testable import SessionStore

extension SQLiteSessionStore {
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

extension TemporaryDirectory {
    /// The files that hold the text's bytes anywhere.
    func files(holding text: String) -> [String] {
        let needle = Array(text.utf8)
        return Self.names(path).filter { Self.holds(Self.read(file($0)), needle) }.sorted()
    }

    private static func holds(_ content: [UInt8], _ needle: [UInt8]) -> Bool {
        content.withUnsafeBytes { content in
            needle.withUnsafeBytes { needle in
                var position = 0
                while position + needle.count <= content.count {
                    if content[position] == needle[0],
                        content[position..<position + needle.count].elementsEqual(needle)
                    {
                        return true
                    }
                    position += 1
                }
                return false
            }
        }
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
func encodedRecords(_ store: SQLiteSessionStore, of users: some Sequence<Int>, sessions: Int) async throws -> [String:
    [UInt8]]
{
    var records: [String: [UInt8]] = [:]
    for user in users {
        for session in 0..<sessions {
            let id = UserHistories.sessionId(user, session)
            records[id] = try await store.record(id)?.encoded
        }
    }
    return records
}
