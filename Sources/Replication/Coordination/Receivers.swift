internal import Base

/// A receiver as the shared log knows it.
package struct KnownReceiver: Sendable, Equatable {
    package let name: String
    /// What it receives under now.
    package let origin: String
    package let version: String
    /// Since it was seen last, by the database's clock.
    package let secondsSinceSeen: Double
    /// Keyed digests of its secrets, by what they are for.
    package let fingerprints: [String: String]
    /// Up to where it has everything, by the origins' numbers.
    package let frontier: String
    package let unshipped: Int64
    /// How long the oldest of those has waited; nil where nothing waits, or nobody knows.
    package let oldestUnshippedSeconds: Double?
    /// Whether it accepted callbacks when it was seen last.
    package let isAccepting: Bool
}

/// Who is there.
struct Receivers {
    private let note: String
    private let list: String
    private let forget: String
    private let forgetReports: String

    init(_ schema: SharedLogSchema) {
        let receivers = schema.prefix + "receivers"
        note = """
            insert into \(receivers) as r (name, origin, version, seen_at, fingerprints, frontier, unshipped,
                is_accepting, oldest_unshipped_ms)
            values ($1::text, $2::bytea, $3::text, now(), $4::text, $5::text, $6::int8, $7::int8 > 0, nullif($8::int8, 0))
            on conflict (name) do update set origin = excluded.origin, version = excluded.version, seen_at = now(),
                fingerprints = excluded.fingerprints, frontier = excluded.frontier, unshipped = excluded.unshipped,
                is_accepting = excluded.is_accepting, oldest_unshipped_ms = excluded.oldest_unshipped_ms
            """
        list = """
            select name, origin, version, (extract(epoch from clock_timestamp() - seen_at) * 1000)::int8, fingerprints,
                frontier, unshipped, is_accepting, coalesce(oldest_unshipped_ms, 0) from \(receivers) order by name
            """
        forget = "delete from \(receivers) where name = $1::text"
        forgetReports = "delete from \(schema.prefix)erasure_reports where receiver = $1::text"
    }

    func note(
        _ settings: SharedLogSettings, fingerprints: [String: String], origin: Identity, frontier: String,
        unshipped: Int64, oldestUnshippedMilliseconds: Int64, isAccepting: Bool,
        _ connection: PostgresConnection
    ) throws(PostgresError) {
        let fingerprints = fingerprints.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        _ = try connection.execute(
            note,
            [
                .text(settings.name), .identity(origin), .text(settings.version),
                .text(fingerprints.joined(separator: "\n")), .text(frontier), .integer(unshipped),
                .integer(isAccepting ? 1 : 0), .integer(oldestUnshippedMilliseconds),
            ])
    }

    func list(_ connection: PostgresConnection) throws(PostgresError) -> [KnownReceiver] {
        let result = try connection.execute(list)
        return (0..<result.rowCount).map { row in
            var fingerprints: [String: String] = [:]
            for line in result.text(row, 4).split(separator: "\n") {
                // A name may have spaces in it, a digest has none.
                guard let space = line.lastIndex(of: " ") else { continue }
                fingerprints[String(line[..<space])] = String(line[line.index(after: space)...])
            }
            return KnownReceiver(
                name: result.text(row, 0), origin: result.identity(row, 1).description, version: result.text(row, 2),
                secondsSinceSeen: Double(result.integer(row, 3)) / 1_000, fingerprints: fingerprints,
                frontier: result.text(row, 5), unshipped: result.integer(row, 6),
                oldestUnshippedSeconds: result.integer(row, 8) > 0 ? Double(result.integer(row, 8)) / 1_000 : nil,
                isAccepting: result.boolean(row, 7))
        }
    }

    /// Declares a receiver's disk destroyed: nobody waits for its reports any more.
    /// - Returns: whether it was known.
    func forget(_ name: String, _ connection: PostgresConnection) throws(PostgresError) -> Bool {
        _ = try connection.execute(forgetReports, [.text(name)])
        return try connection.execute(forget, [.text(name)]).changedCount == 1
    }
}
