/// What a call of the database did not do.
package struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The connection string is none that libpq understands.
        case settings
        /// There is no connection, or it was lost. Whether the statement was executed is not known.
        case unreachable
        /// No answer in time; the connection is given up. Whether the statement was executed is not known.
        case timedOut
        /// Somebody wants the call to end; the connection is given up.
        case interrupted
        /// The server has refused the statement, with its SQLSTATE.
        case refused(String)
        /// The server answered something that it should not.
        case unexpected
        /// The data directory could not do its part.
        case directory
    }

    package let kind: Kind
    /// For an operator. Holds no password and no body: libpq's messages name hosts and objects, and PostgreSQL's details,
    /// which may quote rows, are left out.
    package let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// It did not answer when it was asked last, so it is not asked now.
    package static let away = PostgresError(.unreachable, "the shared log does not answer")

    /// A commit could be less durable than it was asked to be.
    static let pooled = PostgresError(
        .settings,
        "the database is reached through a pooler that gives each transaction another session: use its session mode")

    /// The SQLSTATE, where the server has refused.
    package var sqlState: String? {
        if case .refused(let state) = kind { state } else { nil }
    }

    /// Whether the tables are not there, or not as they should be: they may have to be made.
    var isOfSchema: Bool {
        if kind == .settings { return true }
        return [State.undefinedTable, State.undefinedColumn, State.invalidSchemaName].contains { $0 == sqlState }
    }

    package var description: String { message }

    /// SQLSTATEs that are asked for (PostgreSQL, Appendix A).
    enum State {
        static let uniqueViolation = "23505"
        static let duplicatePrepared = "42P05"
        static let notPrepared = "26000"
        static let undefinedTable = "42P01"
        static let undefinedColumn = "42703"
        static let invalidSchemaName = "3F000"
        /// Warning: among others of a synchronous commit whose wait was cancelled.
        static let warning = "01000"
    }
}
