/// What became of a claim.
package enum ClaimOutcome: Sendable, Equatable {
    /// It is ours until we finish or release it, or its time is over.
    case claimed
    /// Somebody has it: what it was for, and what it was answered with, if it was.
    case taken(request: String, answer: [UInt8]?)
    /// The database is away; only this receiver can say something.
    case away
}

/// Things that may be done once among all receivers: idempotency keys and connectors' cooldowns.
struct Claims {
    private let claim: String
    private let look: String
    private let finish: String
    private let release: String
    private let expire: String
    private let forget: String

    init(_ schema: SharedLogSchema) {
        let claims = schema.prefix + "claims"
        claim = """
            insert into \(claims) as c (scope, key, holder, request, until)
            values ($1::text, $2::text, $3::text, $4::text, clock_timestamp() + $5::int8 * interval '1 millisecond')
            on conflict (scope, key) do update set holder = excluded.holder, request = excluded.request,
                made_at = now(), until = excluded.until, answer = null
                where c.until < clock_timestamp()
            """
        look = "select request, answer from \(claims) where scope = $1::text and key = $2::text"
        finish =
            "update \(claims) set answer = $4::bytea where scope = $1::text and key = $2::text and holder = $3::text"
        release = """
            delete from \(claims) where scope = $1::text and key = $2::text and holder = $3::text and answer is null
            """
        forget = "delete from \(claims) where starts_with(key, $1::text)"
        expire = "delete from \(claims) where until < clock_timestamp() - interval '1 hour'"
    }

    func claim(
        _ scope: String, _ key: String, request: String, milliseconds: Int64, holder: String,
        _ connection: PostgresConnection
    ) throws(PostgresError) -> ClaimOutcome {
        let parameters: [PostgresParameter] = [
            .text(scope), .text(key), .text(holder), .text(request), .integer(milliseconds),
        ]
        let result = try connection.execute(claim, parameters, patience: .milliseconds(2_000))
        if result.changedCount == 1 { return .claimed }
        let found = try connection.execute(look, [.text(scope), .text(key)], patience: .milliseconds(2_000))
        guard found.rowCount == 1 else { return .taken(request: "", answer: nil) }
        return .taken(request: found.text(0, 0), answer: found.isNull(0, 1) ? nil : [UInt8](found.bytes(0, 1)))
    }

    func finish(
        _ scope: String, _ key: String, answer: [UInt8], holder: String, _ connection: PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.execute(finish, [.text(scope), .text(key), .text(holder), .bytes(answer)])
    }

    func release(
        _ scope: String, _ key: String, holder: String, _ connection: PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.execute(release, [.text(scope), .text(key), .text(holder)])
    }

    /// Removes those whose keys begin so.
    func forget(_ prefix: String, _ connection: PostgresConnection) throws(PostgresError) {
        _ = try connection.execute(forget, [.text(prefix)])
    }

    func expire(_ connection: PostgresConnection) throws(PostgresError) { _ = try connection.execute(expire) }
}
