internal import Base
internal import CPostgreSQL

/// What a statement answered, in binary format. Rows are read while the result lives.
struct PostgresResult: ~Copyable {
    private let result: OpaquePointer
    /// SQLSTATEs of what the server told beside it: notices and warnings.
    let notices: [PostgresNotice]

    init(_ result: OpaquePointer, notices: [PostgresNotice]) {
        self.result = result
        self.notices = notices
    }

    deinit { PQclear(result) }

    var rowCount: Int { Int(PQntuples(result)) }

    /// Rows that an INSERT, UPDATE or DELETE has changed.
    var changedCount: Int {
        guard let text = PQcmdTuples(result) else { return 0 }
        return Int(String(cString: text)) ?? 0
    }

    /// Whether something went wrong that is no error. A commit with a warning counts as not replicated: so is told that a
    /// synchronous standby did not confirm it.
    var hasWarning: Bool { notices.contains { $0.isWarning } }

    func isNull(_ row: Int, _ column: Int) -> Bool { PQgetisnull(result, Int32(row), Int32(column)) == 1 }

    func bytes(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: PQgetvalue(result, Int32(row), Int32(column)),
            count: Int(PQgetlength(result, Int32(row), Int32(column))))
    }

    /// Of a column of type bigint, integer or smallint; 0 for null.
    func integer(_ row: Int, _ column: Int) -> Int64 {
        let bytes = bytes(row, column)
        return switch bytes.count {
        case 8: Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        case 4: Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case 2: Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        default: 0
        }
    }

    func boolean(_ row: Int, _ column: Int) -> Bool { bytes(row, column).first == 1 }

    func text(_ row: Int, _ column: Int) -> String { String(decoding: bytes(row, column), as: UTF8.self) }

    /// `none` for what is not 16 bytes.
    func identity(_ row: Int, _ column: Int) -> Identity {
        let bytes = bytes(row, column)
        return bytes.count == Identity.byteCount ? Identity(bytes, at: 0) : .none
    }
}

/// What the server told beside an answer.
struct PostgresNotice: Sendable, Equatable {
    let sqlState: String
    let message: String

    /// Class 01 (PostgreSQL, Appendix A); notices are of class 00.
    var isWarning: Bool { sqlState.hasPrefix("01") }
}
