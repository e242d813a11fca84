internal import Base

/// When each receiver accepted callbacks, by the receivers' own clocks: what no receiver accepted is lost, what one of them
/// missed is not.
///
/// A row is a time without a break at one receiver; it grows while it lasts, so that it ends by itself where the receiver
/// does. What was accepted while the database was away is told afterwards.
final class Acceptance: Sendable {
    /// Times that are not told yet, from their beginning; all but the newest have ended.
    private let untold = Locked<[Int64: Int64]>([:])
    private let isAcceptingNow = Locked(false)
    private let note: String
    private let find: String
    private let expire: String

    /// Downtimes are looked up within seconds, or when the database is back.
    private static let keptMicroseconds: Int64 = 30 * 86_400 * 1_000_000
    /// Times that wait for the database at most; the oldest go first.
    private static let untoldMax = 1_000

    init(_ schema: SharedLogSchema) {
        let acceptance = schema.prefix + "acceptance"
        note = """
            insert into \(acceptance) as a (receiver, began_at, accepted_until) values ($1::text, $2::int8, $3::int8)
            on conflict (receiver, began_at)
                do update set accepted_until = greatest(a.accepted_until, excluded.accepted_until)
            """
        find = """
            select began_at, accepted_until from \(acceptance)
            where accepted_until > $1::int8 and began_at < $2::int8 order by began_at
            """
        expire = "delete from \(acceptance) where accepted_until < $1::int8"
    }

    /// From any thread; waits for nothing.
    /// - Parameters: microseconds since 1970.
    func accepted(since began: Int64, until: Int64) {
        isAcceptingNow.withLock { $0 = true }
        untold.withLock { untold in
            untold[began] = max(untold[began] ?? until, until)
            if untold.count > Self.untoldMax, let oldest = untold.keys.min() { untold[oldest] = nil }
        }
    }

    /// Nothing more is accepted, until it is. From any thread.
    func ended() { isAcceptingNow.withLock { $0 = false } }

    var isAccepting: Bool { isAcceptingNow.withLock { $0 } }

    /// Tells the shared log what it does not know yet.
    func tell(_ receiver: String, _ connection: PostgresConnection) throws(PostgresError) {
        for (began, until) in untold.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            _ = try connection.execute(note, [.text(receiver), .integer(began), .integer(until)])
            untold.withLock { if $0[began] == until { $0[began] = nil } }
        }
    }

    func expire(_ connection: PostgresConnection) throws(PostgresError) {
        let newest = SystemClock.now().microsecondsSince1970
        _ = try connection.execute(expire, [.integer(newest - Self.keptMicroseconds)])
    }

    /// The parts of a time in which no receiver accepted, ascending.
    func gaps(in time: Range<Int64>, _ connection: PostgresConnection) throws(PostgresError) -> [Range<Int64>] {
        let result = try connection.execute(find, [.integer(time.lowerBound), .integer(time.upperBound)])
        let accepted = (0..<result.rowCount).map { row in
            result.integer(row, 0)..<max(result.integer(row, 0), result.integer(row, 1))
        }
        return Self.gaps(in: time, beside: accepted)
    }

    /// What is left of a time without others, which may overlap and are ordered by their beginnings.
    static func gaps(in time: Range<Int64>, beside others: [Range<Int64>]) -> [Range<Int64>] {
        var gaps: [Range<Int64>] = []
        var reached = time.lowerBound
        for other in others where !other.isEmpty && other.upperBound > reached && reached < time.upperBound {
            if other.lowerBound > reached { gaps.append(reached..<min(other.lowerBound, time.upperBound)) }
            reached = other.upperBound
        }
        if reached < time.upperBound { gaps.append(reached..<time.upperBound) }
        return gaps
    }
}
