/// A verified body that is no valid event, as all receivers see it.
package struct SharedQuarantined: Sendable, Equatable {
    package let number: Int64
    /// Who received it, and under which number of his own.
    package let receiver: String
    package let localId: Int64
    package let receivedMicroseconds: Int64
    package let reason: String
    package let credentials: [UInt8]
    package let body: [UInt8]

    package init(
        number: Int64 = 0, receiver: String, localId: Int64, receivedMicroseconds: Int64, reason: String,
        credentials: [UInt8], body: [UInt8]
    ) {
        self.number = number
        self.receiver = receiver
        self.localId = localId
        self.receivedMicroseconds = receivedMicroseconds
        self.reason = reason
        self.credentials = credentials
        self.body = body
    }
}

/// The quarantine of all receivers: any of them lists, retries and drops.
struct SharedQuarantine {
    private let add: String
    private let list: String
    private let remove: String

    init(_ schema: SharedLogSchema) {
        let quarantine = schema.prefix + "quarantine"
        add = """
            insert into \(quarantine)(receiver, local_id, received_at, reason, credentials, body)
            values ($1::text, $2::int8, $3::int8, $4::text, $5::bytea, $6::bytea) on conflict do nothing
            """
        list = """
            select number, receiver, local_id, received_at, reason, credentials, body from \(quarantine)
            where number > $1::int8 order by number limit $2::int8
            """
        remove = "delete from \(quarantine) where receiver = $1::text and local_id = $2::int8"
    }

    /// Adding the same one again does nothing.
    func add(_ item: SharedQuarantined, _ connection: PostgresConnection) throws(PostgresError) {
        _ = try connection.execute(
            add,
            [
                .text(item.receiver), .integer(item.localId), .integer(item.receivedMicroseconds), .text(item.reason),
                .bytes(item.credentials), .bytes(item.body),
            ])
    }

    func list(
        after number: Int64, limit: Int64, _ connection: PostgresConnection
    ) throws(PostgresError) -> [SharedQuarantined] {
        let result = try connection.execute(list, [.integer(number), .integer(limit)])
        return (0..<result.rowCount).map { row in
            SharedQuarantined(
                number: result.integer(row, 0), receiver: result.text(row, 1), localId: result.integer(row, 2),
                receivedMicroseconds: result.integer(row, 3), reason: result.text(row, 4),
                credentials: [UInt8](result.bytes(row, 5)), body: [UInt8](result.bytes(row, 6)))
        }
    }

    /// - Returns: whether it was there.
    func remove(
        receiver: String, localId: Int64, _ connection: PostgresConnection
    ) throws(PostgresError) -> Bool {
        try connection.execute(remove, [.text(receiver), .integer(localId)]).changedCount == 1
    }
}
