internal import Base

/// An erasure that all receivers must do.
package struct SharedErasure: Sendable, Equatable {
    package let number: Int64
    /// A keyed digest of the person's id; every receiver makes the same one.
    package let person: [UInt8]
    /// The places that it is about, as the receiver that was asked has written them.
    package let places: String
}

/// Erasures and who has done them. They never go by time: a receiver that was away for a year must still find them.
struct Erasures {
    private let publish: String
    private let pending: String
    private let report: String
    private let outstanding: String
    private let count: String
    private let all: String
    private let empty: String
    private let replace: String

    init(_ schema: SharedLogSchema) {
        let (erasures, reports) = (schema.prefix + "erasures", schema.prefix + "erasure_reports")
        let receivers = schema.prefix + "receivers"
        publish = """
            insert into \(erasures)(person, places, made_by) values ($1::bytea, $2::text, $3::text) returning number
            """
        pending = """
            select number, person, places from \(erasures) e where not exists (
                select 1 from \(reports) r where r.erasure = e.number and r.receiver = $1::text)
            order by number limit 100
            """
        report = """
            insert into \(reports)(erasure, receiver) values ($1::int8, $2::text) on conflict do nothing
            """
        count = "select count(*) from \(erasures) where person <> ''"
        all = "select number, person, places from \(erasures) where person <> '' order by number"
        outstanding = """
            select name from \(receivers) n where not exists (
                select 1 from \(reports) r where r.erasure = $1::int8 and r.receiver = n.name)
            order by name
            """
        empty = """
            update \(schema.prefix)deliveries d set source = 255, received_at = 0, body = ''
            from \(schema.prefix)origins o where o.identity = $1::bytea and d.origin = o.number
                and d.sequence between $2::int8 and $3::int8 and d.source <> 255
            """
        replace = """
            update \(schema.prefix)deliveries d set source = s.source, received_at = s.received_at, body = s.body
            from \(schema.prefix)origins o,
                unnest($2::int8[], $3::int8[], $4::int2[], $5::bytea[]) s(sequence, received_at, source, body)
            where o.identity = $1::bytea and d.origin = o.number and d.sequence = s.sequence and d.body <> s.body
            """
    }

    /// - Returns: the erasure's number.
    func publish(
        _ person: [UInt8], places: String, by name: String, _ connection: PostgresConnection
    ) throws(PostgresError) -> Int64 {
        let result = try connection.execute(publish, [.bytes(person), .text(places), .text(name)])
        guard result.rowCount == 1 else { throw PostgresError(.unexpected, "an erasure got no number") }
        return result.integer(0, 0)
    }

    /// How many there are of persons.
    func count(_ connection: PostgresConnection) throws(PostgresError) -> Int64 {
        try connection.execute(count).integer(0, 0)
    }

    /// All of persons.
    func all(_ connection: PostgresConnection) throws(PostgresError) -> [SharedErasure] {
        Self.erasures(try connection.execute(all, patience: .milliseconds(30_000)))
    }

    private static func erasures(_ result: borrowing PostgresResult) -> [SharedErasure] {
        (0..<result.rowCount).map { row in
            SharedErasure(
                number: result.integer(row, 0), person: [UInt8](result.bytes(row, 1)), places: result.text(row, 2))
        }
    }

    /// What a receiver has still to do, the oldest first.
    func pending(_ name: String, _ connection: PostgresConnection) throws(PostgresError) -> [SharedErasure] {
        Self.erasures(try connection.execute(pending, [.text(name)]))
    }

    func report(_ number: Int64, by name: String, _ connection: PostgresConnection) throws(PostgresError) {
        _ = try connection.execute(report, [.integer(number), .text(name)])
    }

    /// The receivers that have not reported.
    func outstanding(_ number: Int64, _ connection: PostgresConnection) throws(PostgresError) -> [String] {
        let result = try connection.execute(outstanding, [.integer(number)])
        return (0..<result.rowCount).map { result.text($0, 0) }
    }

    /// Empties places of an origin in the shared log; they stay as tombstones.
    func empty(
        _ places: ClosedRange<Int64>, of origin: Identity, _ connection: PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.execute(
            empty, [.identity(origin), .integer(places.lowerBound), .integer(places.upperBound)],
            patience: .milliseconds(30_000))
    }

    /// Puts what is left of deliveries in their place.
    func replace(
        _ deliveries: [SharedDelivery], of origin: Identity, _ connection: PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.execute(
            replace,
            [
                .identity(origin), .sequences(deliveries), .received(deliveries), .sources(deliveries),
                .bodies(deliveries),
            ],
            patience: .milliseconds(30_000))
    }
}
