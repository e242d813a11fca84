/// Rights that one receiver has at a time, by the database's clock.
///
/// Each has an epoch, which rises whenever it changes hands: a write that must not come from a former holder checks it
/// (`condition`). Two holders for a moment cost calls and never truth.
struct Leases {
    private let take: String
    private let giveBack: String
    /// True while `$1` holds epoch `$2`, for the WHERE of a write: name, epoch and holder are its parameters.
    let condition: String
    /// Of this process; another one of the same receiver is another holder.
    let holder: String

    init(_ schema: SharedLogSchema, holder: String) {
        let leases = schema.prefix + "leases"
        self.holder = holder
        take = """
            insert into \(leases) as l (name, holder, epoch, until)
            values ($1::text, $2::text, 1, clock_timestamp() + $3::int8 * interval '1 millisecond')
            on conflict (name) do update set holder = excluded.holder, until = excluded.until,
                epoch = case when l.holder = excluded.holder then l.epoch else l.epoch + 1 end
                where l.holder = excluded.holder or l.until < clock_timestamp()
            returning epoch
            """
        giveBack = "update \(leases) set until = clock_timestamp() where name = $1::text and holder = $2::text"
        condition = "exists (select 1 from \(leases) where name = $1::text and holder = $2::text and epoch = $3::int8)"
    }

    /// Takes a lease, or keeps it.
    /// - Returns: its epoch; nil: another receiver has it.
    func take(
        _ name: String, milliseconds: Int64, _ connection: PostgresConnection
    ) throws(PostgresError) -> Int64? {
        let result = try connection.execute(take, [.text(name), .text(holder), .integer(milliseconds)])
        return result.rowCount == 1 ? result.integer(0, 0) : nil
    }

    /// Lets the next one have it at once.
    func giveBack(_ name: String, _ connection: PostgresConnection) throws(PostgresError) {
        _ = try connection.execute(giveBack, [.text(name), .text(holder)])
    }
}
