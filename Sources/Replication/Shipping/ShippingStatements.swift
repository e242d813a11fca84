internal import Base

/// The statements of origins and their deliveries.
struct ShippingStatements {
    let find: String
    let insert: String
    let raise: String
    let ship: String
    let confirm: String
    let skip: String
    let read: String
    let heads: String

    init(_ schema: SharedLogSchema) {
        let (origins, deliveries) = (schema.prefix + "origins", schema.prefix + "deliveries")
        find = "select number, epoch, holder, shipped from \(origins) where identity = $1::bytea"
        // The number that it had or that follows from it where that is free, else the next one.
        insert = """
            insert into \(origins)(number, identity, epoch, holder, receiver)
            select case when $5::int4 > 0 and not exists (select 1 from \(origins) where number = $5::int4) then $5::int4
                else (select coalesce(max(number), 0) + 1 from \(origins)) end,
                $1::bytea, $2::int8, $3::bytea, $4::text
            on conflict do nothing
            """
        // Exactly the row that was read, so that of two who read it one goes on.
        raise = """
            update \(origins) set epoch = $2::int8, holder = $3::bytea, receiver = $4::text, registered_at = now()
            where identity = $1::bytea and epoch = $5::int8 and holder = $6::bytea and shipped = $7::int8
            """
        // One statement, so that whoever freezes holds no lock; fenced, so that of two with one identity only one ships.
        ship = """
            with o as (
                update \(origins) set shipped = $2::int8
                where number = $1::int4 and epoch = $3::int8 and shipped = $4::int8 returning 1)
            insert into \(deliveries)(origin, sequence, received_at, source, body)
            select $1::int4, d.* from unnest($5::int8[], $6::int8[], $7::int2[], $8::bytea[]) d
            where exists (select 1 from o)
            """
        // A commit that says that everything before it is where it should be.
        confirm = "update \(origins) set shipped = shipped where number = $1::int4 and epoch = $2::int8"
        // What is there already counts as shipped.
        skip =
            "update \(origins) set shipped = $2::int8 where number = $1::int4 and epoch = $3::int8 and shipped = $4::int8"
        read = """
            select sequence, received_at, source, body from \(deliveries)
            where origin = $1::int4 and sequence > $2::int8 order by sequence limit $3::int8
            """
        heads = "select number, identity, epoch, shipped from \(origins)"
    }
}

extension PostgresResult {
    /// Rows of `ShippingStatements.read`.
    borrowing func deliveries() -> [SharedDelivery] {
        (0..<rowCount).map { row in
            SharedDelivery(
                sequence: integer(row, 0), receivedMicroseconds: integer(row, 1),
                source: UInt8(truncatingIfNeeded: integer(row, 2)), body: [UInt8](bytes(row, 3)))
        }
    }
}
