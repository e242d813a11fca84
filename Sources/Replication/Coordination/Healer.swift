internal import Base

/// Gives back to the shared log what it has lost and this directory has, of origins that nobody holds any more.
///
/// Every receiver's work: whoever leads may be the one that has just begun with an empty directory. Places never change, so
/// it does not matter who ships them, nor that two do.
final class Healer: Sendable {
    private static let countMax = 1_024
    private static let bytesMax = 4 << 20

    private let shared: SharedLogContext
    private let log: any ReplicatedLog
    private let statements: ShippingStatements
    private let note: String
    private let fill: String
    private let ends: String
    /// Heads that were behind this directory when it looked last: whoever holds the origin may be shipping just now.
    private let behind = Locked<[Identity: Int64]>([:])

    init(_ shared: SharedLogContext, log: any ReplicatedLog) {
        self.shared = shared
        self.log = log
        statements = ShippingStatements(shared.schema)
        let (origins, deliveries) = (shared.schema.prefix + "origins", shared.schema.prefix + "deliveries")
        note = "insert into \(origins)(number, identity) values ($1::int4, $2::bytea) on conflict do nothing"
        // As `ship`, and what is there stays.
        fill = """
            with o as (
                update \(origins) set shipped = $2::int8
                where number = $1::int4 and epoch = $3::int8 and shipped = $4::int8 returning 1),
            i as (
                insert into \(deliveries)(origin, sequence, received_at, source, body)
                select $1::int4, d.* from unnest($5::int8[], $6::int8[], $7::int2[], $8::bytea[]) d
                where exists (select 1 from o) on conflict do nothing)
            select count(*) from o
            """
        ends = """
            select number, identity, epoch, shipped,
                (select sequence from \(deliveries) where origin = number order by sequence desc limit 1),
                (select sequence from \(deliveries) where origin = number order by sequence limit 1)
            from \(origins)
            """
    }

    /// Looks once.
    func heal(_ connection: PostgresConnection) throws(PostgresError) {
        var heads = try connection.execute(statements.heads).heads()
        let state = shared.memory.current
        let frontier = log.frontier
        let missing = state.numbers.filter { origin, _ in !heads.contains { $0.identity == origin } }
        for (origin, number) in missing {
            let taken = heads.contains { $0.number == number }
            let free = taken ? (heads.map(\.number).max() ?? 0) + 1 : number
            _ = try connection.execute(note, [.int4(free), .identity(origin)])
        }
        if !missing.isEmpty { heads = try connection.execute(statements.heads).heads() }
        let others = heads.filter { head in
            !state.own.contains { $0.identity == head.identity }
                && !state.contested.contains { $0.identity == head.identity }
                && head.shipped < frontier[head.identity] ?? 0
        }
        let seen = behind.withLock { behind in
            defer { behind = Dictionary(uniqueKeysWithValues: others.map { ($0.identity, $0.shipped) }) }
            return behind
        }
        for head in others where seen[head.identity] == head.shipped {
            try ship(head, through: frontier[head.identity] ?? 0, connection)
        }
    }

    /// An origin's head says more than there is: rows were removed by somebody. What is missing is shipped again. The leader's
    /// work, as it looks at every origin's rows.
    func setBack(_ connection: PostgresConnection) throws(PostgresError) {
        let result = try connection.execute(ends, patience: .milliseconds(30_000))
        let heads = result.heads()
        for (row, head) in heads.enumerated() {
            let isWhole = head.shipped == 0 || (result.integer(row, 4) >= head.shipped && result.integer(row, 5) == 1)
            if isWhole { continue }
            let there = result.integer(row, 5) == 1 ? result.integer(row, 4) : 0
            shared.status.alarm("rows were removed behind \(there) of \(head.shipped)", head.identity)
            _ = try connection.execute(
                statements.skip,
                [.int4(head.number), .integer(there), .integer(head.epoch), .integer(head.shipped)])
        }
    }

    /// - Parameter through: everything up to there is here. What is missing here may be elsewhere.
    private func ship(_ head: OriginHead, through last: Int64, _ connection: PostgresConnection) throws(PostgresError) {
        var shipped = head.shipped
        while true {
            let read = try shared.local { () throws(StoreError) in
                try log.deliveries(
                    of: head.identity, after: shipped, countMax: Self.countMax, bytesMax: Self.bytesMax)
            }
            let batch = Array(read.prefix { $0.sequence <= last })
            guard let last = batch.last else { return }
            let result = try connection.execute(
                fill,
                [
                    .int4(head.number), .integer(last.sequence), .integer(head.epoch), .integer(shipped),
                    .sequences(batch), .received(batch), .sources(batch), .bodies(batch),
                ], patience: .milliseconds(30_000))
            // Somebody else ships them.
            guard result.integer(0, 0) == 1 else { return }
            shipped = last.sequence
        }
    }
}
