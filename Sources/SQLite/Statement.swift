internal import CSQLite

/// A prepared statement. It belongs to its connection's queue.
///
/// Values are bound without a copy where a `withBytes`-like closure of the caller encloses both the binding and the
/// step; such a binding dangles afterwards, but SQLite reads it only while stepping, and every user binds all
/// parameters anew before each step.
package final class Statement {
    private var handle: OpaquePointer?
    private let database: Database
    private let sql: String

    package init(database: Database, sql: String) throws(SQLiteError) {
        self.database = database
        self.sql = sql
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, prepared != nil else {
            throw SQLiteError(handle: database.handle, code: code, action: "preparing \(sql)")
        }
        handle = prepared
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Frees the statement before its owner goes.
    package func finalize() {
        sqlite3_finalize(handle)
        handle = nil
    }

    // MARK: Binding (parameters count from 1)

    package func bind(_ index: Int32, _ value: Int64) {
        sqlite3_bind_int64(handle, index, value)
    }

    package func bind(_ index: Int32, _ value: Int64?) {
        if let value { sqlite3_bind_int64(handle, index, value) } else { sqlite3_bind_null(handle, index) }
    }

    package func bindNull(_ index: Int32) {
        sqlite3_bind_null(handle, index)
    }

    /// No copy: `bytes` must live until the statement has been stepped.
    package func bindBorrowed(_ index: Int32, blob bytes: UnsafeRawBufferPointer) {
        if let base = bytes.baseAddress {
            csqlite_bind_blob_static(handle, index, base, Int32(clamping: bytes.count))
        } else {
            sqlite3_bind_zeroblob(handle, index, 0)
        }
    }

    package func bind(_ index: Int32, text: String) {
        var text = text
        text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                if let base = characters.baseAddress {
                    _ = csqlite_bind_text_copy(handle, index, base, Int32(clamping: characters.count))
                } else {
                    _ = csqlite_bind_text_copy(handle, index, "", 0)
                }
            }
        }
    }

    package func bind(_ index: Int32, text: String?) {
        if let text { bind(index, text: text) } else { sqlite3_bind_null(handle, index) }
    }

    /// What `other` has in a column of its current row, whatever its type.
    package func bind(_ index: Int32, column: Int32, of other: Statement) {
        sqlite3_bind_value(handle, index, sqlite3_column_value(other.handle, column))
    }

    // MARK: Running

    /// Runs to the next row. False: done (and the statement is reset).
    package func step() throws(SQLiteError) -> Bool {
        let code = sqlite3_step(handle)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            sqlite3_reset(handle)
            return false
        default:
            let error = SQLiteError(handle: database.handle, code: code, action: "running \(sql)")
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs a statement that returns no rows.
    package func run() throws(SQLiteError) {
        while try step() {}
    }

    /// Ends a query early, so that its read transaction ends too.
    package func reset() {
        sqlite3_reset(handle)
    }

    // MARK: Columns (counted from 0) of the current row

    /// How many the statement has.
    package var columnCount: Int32 { sqlite3_column_count(handle) }

    package func int64(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    package func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    /// Valid until the next step, reset or other read of this column.
    package func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        let base = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: base, count: Int(sqlite3_column_bytes(handle, column)))
    }

    package func array(_ column: Int32) -> [UInt8] {
        [UInt8](bytes(column))
    }

    package func text(_ column: Int32) -> String {
        String(decoding: bytes(column), as: UTF8.self)
    }
}
