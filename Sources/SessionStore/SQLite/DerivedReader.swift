internal import Dispatch
internal import SessionModel

/// Reads session rows from `sessions.sqlite`. It belongs to one queue.
final class DerivedReader {
    let database: Database
    private let byId: Statement

    init(path: String, mode: Database.Mode, virtualFileSystem: String?) throws(SQLiteError) {
        database = try Database(path: path, mode: mode, virtualFileSystem: virtualFileSystem)
        try database.execute(DerivedSchema.readerPragmas)
        byId = try database.prepare("SELECT record FROM sessions WHERE session_id = ?1")
    }

    func confine(to queue: DispatchQueue) {
        database.confine(to: queue)
    }

    struct Row {
        let record: SessionRecord
        /// An estimate of the record's bytes in memory.
        let bytes: Int
    }

    /// The record as it was last written, or nil. Each read is a transaction of its own: it sees what is committed now.
    func record(_ sessionId: String) throws(StoreError) -> Row? {
        database.checkOwner()
        do throws(SQLiteError) {
            byId.bind(1, text: sessionId)
            guard try byId.step() else { return nil }
        } catch {
            throw StoreError(error.isCorruption ? .damaged : .unavailable, "a session cannot be read: \(error)")
        }
        defer { byId.reset() }
        let bytes = byId.bytes(0)
        do {
            return Row(
                record: try SessionRecord(decoding: bytes), bytes: RecordSize.estimate(encodedBytes: bytes.count))
        } catch {
            throw StoreError(.damaged, "a session's row cannot be decoded")
        }
    }

    func close() {
        byId.finalize()
        database.close()
    }
}

/// Estimates of a record's size in memory, for the cache's bound.
enum RecordSize {
    static let empty = 600

    static func estimate(encodedBytes: Int) -> Int { empty + encodedBytes * 3 }

    /// What one more fact adds.
    static func fact(_ event: SessionEvent) -> Int { 320 + event.payload.bytes.count }
}
