/// A verified body that is no valid event, as all receivers see it.
package struct SharedQuarantined: Sendable, Equatable {
    /// The receiver's own number of it, and as good everywhere: of two receivers with the same one, one takes another.
    package let id: Int64
    /// Who received it.
    package let receiver: String
    package let receivedMicroseconds: Int64
    package let reason: String
    package let credentials: [UInt8]
    package let body: [UInt8]

    package init(
        id: Int64, receiver: String, receivedMicroseconds: Int64, reason: String, credentials: [UInt8], body: [UInt8]
    ) {
        self.id = id
        self.receiver = receiver
        self.receivedMicroseconds = receivedMicroseconds
        self.reason = reason
        self.credentials = credentials
        self.body = body
    }
}

/// The quarantine of all receivers: any of them lists, retries and drops.
///
/// Whoever received a body has it as well, and removes it there when he sees that it is gone here. So it stays as an empty
/// row until then; that a row is missing says nothing: the database may have lost it.
struct SharedQuarantine {
    private let add: String
    private let list: String
    private let own: String
    private let empty: String
    private let remove: String
    private let forget: String

    init(_ schema: SharedLogSchema) {
        let quarantine = schema.prefix + "quarantine"
        let columns = "id, receiver, received_at, reason, credentials, body"
        add = """
            with added as (
                insert into \(quarantine)(\(columns))
                values ($1::int8, $2::text, $3::int8, $4::text, $5::bytea, $6::bytea) on conflict (id) do nothing
                returning 1)
            select exists (select 1 from added) or exists (
                select 1 from \(quarantine) where id = $1::int8 and receiver = $2::text and received_at = $3::int8)
            """
        list = """
            select \(columns) from \(quarantine) where id > $1::int8 and not is_gone order by id limit $2::int8
            """
        own = "select id, is_gone from \(quarantine) where receiver = $1::text"
        empty = """
            update \(quarantine) set is_gone = true, reason = '', credentials = '', body = ''
            where id = $1::int8 and not is_gone
            """
        remove = "delete from \(quarantine) where id = $1::int8 and receiver = $2::text"
        forget = "delete from \(quarantine) where receiver = $1::text and is_gone"
    }

    /// Adding the same one again does nothing.
    /// - Returns: false where another one has its id.
    func add(_ item: SharedQuarantined, _ connection: PostgresConnection) throws(PostgresError) -> Bool {
        let result = try connection.execute(
            add,
            [
                .integer(item.id), .text(item.receiver), .integer(item.receivedMicroseconds), .text(item.reason),
                .bytes(item.credentials), .bytes(item.body),
            ])
        return result.rowCount == 1 && result.boolean(0, 0)
    }

    /// Those with ids above `id`, ascending.
    func list(
        after id: Int64, limit: Int64, _ connection: PostgresConnection
    ) throws(PostgresError) -> [SharedQuarantined] {
        let result = try connection.execute(list, [.integer(id), .integer(limit)])
        return (0..<result.rowCount).map { row in
            SharedQuarantined(
                id: result.integer(row, 0), receiver: result.text(row, 1),
                receivedMicroseconds: result.integer(row, 2), reason: result.text(row, 3),
                credentials: [UInt8](result.bytes(row, 4)), body: [UInt8](result.bytes(row, 5)))
        }
    }

    /// A receiver's: for each id whether it is gone.
    func own(_ receiver: String, _ connection: PostgresConnection) throws(PostgresError) -> [Int64: Bool] {
        let result = try connection.execute(own, [.text(receiver)])
        return Dictionary(
            (0..<result.rowCount).map { (result.integer($0, 0), result.boolean($0, 1)) }, uniquingKeysWith: { $1 })
    }

    /// Says that one is gone.
    /// - Returns: whether it was there.
    func empty(_ id: Int64, _ connection: PostgresConnection) throws(PostgresError) -> Bool {
        try connection.execute(empty, [.integer(id)]).changedCount == 1
    }

    /// Removes a receiver's own ones, which are not there any more.
    func remove(_ ids: [Int64], of receiver: String, _ connection: PostgresConnection) throws(PostgresError) {
        for id in ids { _ = try connection.execute(remove, [.integer(id), .text(receiver)]) }
    }

    /// Nobody waits for a receiver to see what is gone.
    func forget(_ receiver: String, _ connection: PostgresConnection) throws(PostgresError) {
        _ = try connection.execute(forget, [.text(receiver)])
    }
}
