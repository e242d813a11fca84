internal import Dispatch
internal import SQLite
internal import SessionModel

/// Reads the log, in chunks: each is one short read transaction, so that the WAL can start over between them. It belongs
/// to one queue, or to the thread that made it.
final class LogReader {
    private let database: Database
    /// What is durable and not in the file yet; it comes after everything that is.
    private let unmoved: UnmovedDeliveries
    private let after: Statement
    private let one: Statement

    static let chunkCountMax = 1_024
    static let chunkBytesMax = 1 << 20

    init(
        path: String, mode: Database.Mode, virtualFileSystem: String?, unmoved: UnmovedDeliveries
    ) throws(SQLiteError) {
        self.unmoved = unmoved
        database = try Database(path: path, mode: mode, virtualFileSystem: virtualFileSystem)
        try database.execute(LogSchema.readerPragmas)
        after = try database.prepare(
            """
            SELECT position, received_at, source, body FROM deliveries
            WHERE position > ?1 AND position <= ?2 ORDER BY position
            """)
        one = try database.prepare("SELECT position, received_at, source, body FROM deliveries WHERE position = ?1")
    }

    func confine(to queue: DispatchQueue) {
        database.confine(to: queue)
    }

    /// A row whose body is valid only while it is visited.
    struct Row {
        let position: Int64
        let receivedAt: Instant
        let sourceCode: Int64
        let body: UnsafeRawBufferPointer

        var source: FactSource? { UInt8(exactly: sourceCode).flatMap(FactSource.init(rawValue:)) }

        /// What an erasure leaves of a delivery: the position.
        var isErased: Bool { body.isEmpty }

        /// The event, unless this release cannot read it (a source or a body of another one).
        func event() -> SessionEvent? {
            guard let source else { return nil }
            return try? SessionEvent.decode(body, source: source, limits: LogReader.limits)
        }
    }

    /// What was accepted once is read again whatever the configured limit is now.
    private static let limits: EventLimits = {
        var limits = EventLimits()
        limits.bodyBytesMax = .max
        return limits
    }()

    private func row(_ statement: Statement) -> Row {
        Row(
            position: statement.int64(0), receivedAt: Instant(microsecondsSince1970: statement.int64(1)),
            sourceCode: statement.int64(2), body: statement.bytes(3))
    }

    /// Visits one chunk of the rows after `position` up to `last`.
    /// - Returns: the position of the last row visited, or nil when there was none.
    func chunk<Failure: Error>(
        after position: Int64, through last: Int64 = .max, countMax: Int = chunkCountMax,
        visit: (Row) throws(Failure) -> Void
    ) throws(LogReadError<Failure>) -> Int64? {
        database.checkOwner()
        after.bind(1, position)
        after.bind(2, last)
        defer { after.reset() }
        var count = 0
        var bytes = 0
        var reached: Int64?
        // Before the file is read: what is moved in between is in both, and nothing is in neither.
        let entries = unmoved.entries
        while count < countMax && bytes < Self.chunkBytesMax {
            do throws(SQLiteError) {
                guard try after.step() else { break }
            } catch {
                throw .sqlite(error)
            }
            let row = row(after)
            do throws(Failure) { try visit(row) } catch { throw .visitor(error) }
            reached = row.position
            count += 1
            bytes += row.body.count
        }
        for entry in entries where entry.lastPosition > reached ?? position {
            do throws(Failure) {
                try entry.forEach { (row) throws(Failure) in
                    guard count < countMax && bytes < Self.chunkBytesMax, row.position > reached ?? position,
                        row.position <= last
                    else { return }
                    try visit(row)
                    reached = row.position
                    count += 1
                    bytes += row.body.count
                }
            } catch {
                throw .visitor(error)
            }
        }
        return reached
    }

    /// Visits one row, if it is there.
    func row(at position: Int64, visit: (Row) -> Void) throws(SQLiteError) {
        database.checkOwner()
        if let entry = unmoved.entries.first(where: { $0.firstPosition <= position && position <= $0.lastPosition }) {
            entry.forEach { if $0.position == position { visit($0) } }
            return
        }
        one.bind(1, position)
        defer { one.reset() }
        if try one.step() { visit(row(one)) }
    }

    func close() {
        after.finalize()
        one.finalize()
        database.close()
    }
}

enum LogReadError<Visitor: Error>: Error {
    case sqlite(SQLiteError)
    case visitor(Visitor)
}
