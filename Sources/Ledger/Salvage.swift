internal import CSQLite
internal import SQLite

/// Copies what can still be read of a damaged ledger into a new one, row by row.
///
/// A page that cannot be read hides the rows behind it from a walk; they may be whole, and are found by their keys: a
/// range that cannot be walked to its end is halved, until what is left of it is a row, or the tries are used up.
struct Salvage {
    struct Outcome: Sendable, Equatable {
        var rows: Int64 = 0
        /// Tables of which something could not be read.
        var cutShort: [String] = []
    }

    /// Ranges of one table that may turn out unreadable: some seconds in the worst case.
    private static let failuresMax = 50_000
    /// Added to the highest id of a quarantined body where it is not known which ones were used.
    private static let keyMargin: Int64 = 1 << 20

    private let source: Database
    private let target: Database
    /// The highest key that each table has ever used; nil where that could not be read.
    private let sequences: [String: Int64]?
    private var outcome = Outcome()

    private init(from source: Database, to target: Database) {
        self.source = source
        self.target = target
        var sequences: [String: Int64] = [:]
        do throws(SQLiteError) {
            try source.query("SELECT name, seq FROM sqlite_sequence", row: { sequences[$0.text(0)] = $0.int64(1) })
            self.sequences = sequences
        } catch {
            self.sequences = nil
        }
    }

    /// - Parameter target: an empty ledger.
    /// - Throws: what is wrong with the target.
    static func run(from source: Database, to target: Database) throws(SQLiteError) -> Outcome {
        source.rollBack()
        var salvage = Salvage(from: source, to: target)
        try target.transaction { () throws(SQLiteError) in
            for table in LedgerSchema.salvaged { try salvage.copy(table) }
            try salvage.keepSequences()
            try target.execute(Self.countVerified)
        }
        return salvage.outcome
    }

    private static let countVerified = """
        UPDATE verified SET count = (SELECT count(*) FROM quarantine WHERE kind = 0),
            bytes = (SELECT coalesce(sum(length(body) + length(credentials)), 0) FROM quarantine WHERE kind = 0);
        """

    private mutating func copy(_ table: String) throws(SQLiteError) {
        let columns = try target.prepare("SELECT * FROM \(table)")
        let count = columns.columnCount
        columns.finalize()
        let values = (1...count).map { "?\($0)" }.joined(separator: ", ")
        let insert = try target.prepare("INSERT OR IGNORE INTO \(table) VALUES(\(values))")
        defer { insert.finalize() }
        guard
            let select = try? source.prepare(
                "SELECT * FROM \(table) NOT INDEXED WHERE id BETWEEN ?1 AND ?2 ORDER BY id"),
            select.columnCount == count
        else { return outcome.cutShort.append(table) }
        defer { select.finalize() }
        var ranges = [1...max(1, highestKey(of: table))]
        // Small ranges last: what is whole is found before the tries are used up.
        var next = 0
        while next < ranges.count, next <= Self.failuresMax {
            let range = ranges[next]
            next += 1
            guard let rest = try copy(range, select, insert, count) else { continue }
            if outcome.cutShort.last != table { outcome.cutShort.append(table) }
            guard rest.lowerBound < rest.upperBound else { continue }
            let middle = rest.lowerBound + (rest.upperBound - rest.lowerBound) / 2
            ranges += [rest.lowerBound...middle, middle + 1...rest.upperBound]
        }
        outcome.rows += try target.integer("SELECT count(*) FROM \(table)") ?? 0
    }

    private func highestKey(of table: String) -> Int64 {
        switch table {
        case "heartbeat", "log": 1
        case "erasure_redo": sequences?["erasure"] ?? .max
        default: sequences?[table] ?? .max
        }
    }

    /// - Returns: the part of the range that could not be read; nil where all of it was.
    private func copy(
        _ range: ClosedRange<Int64>, _ select: Statement, _ insert: Statement, _ count: Int32
    ) throws(SQLiteError) -> ClosedRange<Int64>? {
        select.bind(1, range.lowerBound)
        select.bind(2, range.upperBound)
        var first = range.lowerBound
        while true {
            do throws(SQLiteError) {
                guard try select.step() else { return nil }
            } catch {
                return first <= range.upperBound ? first...range.upperBound : nil
            }
            let id = select.int64(0)
            for column in 0..<count { insert.bind(column + 1, column: column, of: select) }
            do throws(SQLiteError) {
                try insert.run()
            } catch {
                // A row that breaks a rule of the table is damage, too.
                guard error.code == SQLITE_CONSTRAINT else { throw error }
            }
            guard id < range.upperBound else {
                select.reset()
                return nil
            }
            first = max(first, id + 1)
        }
    }

    /// Ids are never used twice, also not those of rows that are lost. What is kept of other tables is bounded by the
    /// distance of the keys, so nothing is skipped there where the highest one is not known.
    private func keepSequences() throws(SQLiteError) {
        var tables: [String] = []
        try target.query(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'",
            row: { tables.append($0.text(0)) })
        for table in tables {
            let highest = try target.integer("SELECT max(id) FROM \(table)") ?? 0
            let margin = table == "quarantine" ? Self.keyMargin : 0
            let known = sequences.map { $0[table] ?? 0 } ?? highest + margin
            try target.execute("DELETE FROM sqlite_sequence WHERE name = '\(table)'")
            try target.run(
                "INSERT INTO sqlite_sequence VALUES(?1, ?2)",
                bind: {
                    $0.bind(1, text: table)
                    $0.bind(2, max(highest, known))
                })
        }
    }
}
