internal import CSQLite

/// A call of SQLite that failed: its extended result code, and what was being done.
package struct SQLiteError: Error, Sendable, CustomStringConvertible {
    /// The extended result code (<https://sqlite.org/rescode.html>).
    package let extendedCode: Int32
    /// SQLite's message; it may name tables and columns, never bound values.
    package let message: String
    /// What was being done.
    package let action: String

    /// The primary result code: the low byte of the extended one.
    package var code: Int32 { extendedCode & 0xFF }

    /// No room: on disk (ENOSPC while writing) or within `max_page_count`. Nothing of the transaction is in the file.
    package var isFull: Bool { code == SQLITE_FULL }

    /// Somebody has ended the statement early.
    package var isInterruption: Bool { code == SQLITE_INTERRUPT }

    /// An error of the device or of the file system: what is on disk is not known.
    package var isInputOutput: Bool { code == SQLITE_IOERR }

    /// The file is not what it should be.
    package var isCorruption: Bool { code == SQLITE_CORRUPT || code == SQLITE_NOTADB }

    package var description: String {
        "\(message) (SQLite code \(extendedCode)) while \(action)"
    }

    /// The last error of a connection.
    package init(handle: OpaquePointer?, code: Int32, action: @autoclosure () -> String) {
        if let handle {
            let extended = sqlite3_extended_errcode(handle)
            extendedCode = extended & 0xFF == code & 0xFF ? extended : code
            message = String(cString: sqlite3_errmsg(handle))
        } else {
            extendedCode = code
            message = String(cString: sqlite3_errstr(code))
        }
        self.action = action()
    }

    package init(code: Int32, message: String, action: String) {
        extendedCode = code
        self.message = message
        self.action = action
    }
}
