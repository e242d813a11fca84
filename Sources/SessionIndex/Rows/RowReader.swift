internal import Base
internal import Dispatch
internal import SQLite
internal import SessionModel

/// Why a row could not be read.
enum RowError: Error {
    /// The row with this number is not what was written; others may be.
    case undecodable(number: Int64)
    /// The file is not what was written.
    case corrupt(SQLiteError)
    /// Nothing says that anything is damaged.
    case unavailable(SQLiteError)

    init(_ error: SQLiteError) { self = error.isCorruption ? .corrupt(error) : .unavailable(error) }
}

/// Reads session rows from `sessions.sqlite`. It belongs to one queue.
final class RowReader {
    let database: Database
    private let home: Identity
    private let byId: Statement
    private let begin: Statement
    private let end: Statement
    /// The number of writes that the open snapshot has seen at least; nil without one.
    private var snapshotWrites: Int?

    /// - Parameter home: the identity of the log that the rows belong to.
    init(path: String, home: Identity, mode: Database.Mode, virtualFileSystem: String?) throws(SQLiteError) {
        self.home = home
        database = try Database(path: path, mode: mode, virtualFileSystem: virtualFileSystem)
        try database.execute(RowSchema.readerPragmas)
        byId = try database.prepare(
            "SELECT record, number FROM sessions INDEXED BY sessions_by_id WHERE partition = ?2 AND session_id = ?1")
        begin = try database.prepare("BEGIN")
        end = try database.prepare("COMMIT")
    }

    func confine(to queue: DispatchQueue) {
        database.confine(to: queue)
    }

    /// The record as it was last written, or nil where that partition of the rows has none. Outside a snapshot each read
    /// sees what is committed now.
    func record(_ sessionId: String, partition: Int) throws(RowError) -> SessionRecord? {
        database.checkOwner()
        do throws(SQLiteError) {
            byId.bind(1, text: sessionId)
            byId.bind(2, Int64(partition))
            guard try byId.step() else { return nil }
        } catch {
            throw RowError(error)
        }
        defer { byId.reset() }
        guard let record = try? SessionRecord(sessionId: sessionId, decoding: byId.bytes(0), home: home) else {
            throw .undecodable(number: byId.int64(1))
        }
        return record
    }

    /// Whose the row with a number is, as it says itself; nil where there is none.
    func sessionId(number: Int64) throws(SQLiteError) -> String? {
        database.checkOwner()
        let select = try database.prepare("SELECT session_id FROM sessions WHERE number = ?1")
        defer { select.finalize() }
        select.bind(1, number)
        return try select.step() ? select.text(0) : nil
    }

    /// The same, with a snapshot that lasts over several reads (each of its own costs two locks of the file): until
    /// `endSnapshot()`, or until rows have been written since.
    ///
    /// - Parameter writes: the number of completed writes of rows. A record leaves memory only after its row is written
    ///   and counted, so a snapshot that began at this count has every row that is not in memory.
    func record(_ sessionId: String, partition: Int, writes: Int) throws(RowError) -> SessionRecord? {
        if snapshotWrites != writes {
            endSnapshot()
            do throws(SQLiteError) {
                try begin.run()
            } catch {
                throw RowError(error)
            }
            snapshotWrites = writes
        }
        return try record(sessionId, partition: partition)
    }

    func endSnapshot() {
        guard snapshotWrites != nil else { return }
        snapshotWrites = nil
        database.checkOwner()
        // The end of a transaction that has read only: if it fails, there is none left to end.
        do throws(SQLiteError) { try end.run() } catch { database.rollBack() }
    }

    func close() {
        endSnapshot()
        begin.finalize()
        end.finalize()
        byId.finalize()
        database.close()
    }
}

/// Estimates of a record's size in memory, for the cache's bound.
enum RecordSize {
    static let empty = 600

    static func estimate(_ record: SessionRecord) -> Int {
        record.facts.reduce(empty) { $0 + fact(payloadBytes: $1.payload.bytes.count) }
    }

    /// What one more fact adds.
    static func fact(payloadBytes: Int) -> Int { 360 + payloadBytes }
}
