internal import Base
internal import SQLite
internal import SessionModel

/// One walk down an index, as SQL with its parameters. Columns: number, key, session_id, record.
struct IndexQuery {
    let sql: String
    var texts: [(index: Int32, value: String)] = []
    var integers: [(index: Int32, value: Int64)] = []

    func bind(_ statement: Statement) {
        for text in texts { statement.bind(text.index, text: text.value) }
        for integer in integers { statement.bind(integer.index, integer.value) }
    }
}

/// What a selection means: which sessions belong to it, in which order, and which indexes have them.
struct SelectionOrder {
    let selection: SessionSelection
    let isDescending: Bool

    init(_ selection: SessionSelection) {
        self.selection = selection
        isDescending =
            switch selection.scope {
            case .user, .ongoing, .anomaly, .status, .everything: true
            case .lasting, .waiting, .requested, .expecting: false
            }
    }

    /// Whether one sort key comes before another in this order.
    func precedes(_ left: SortKey, _ right: SortKey) -> Bool {
        isDescending ? right < left : left < right
    }

    // MARK: Membership

    /// A quick look, before the record is copied.
    func mayMatch(_ record: SessionRecord) -> Bool {
        switch selection.scope {
        case .user(let userId), .ongoing(let userId):
            record.state.userId.map { SessionKey($0) == SessionKey(userId) } ?? false
        case .lasting(let state, _): record.since(state) != nil
        case .status(let statuses, _): statuses.contains(record.state.status.listed)
        case .anomaly, .waiting, .requested, .expecting, .everything: true
        }
    }

    /// Where a record stands in the scope's order; nil where it does not belong to the scope.
    func sortKey(of record: SessionRecord) -> SortKey? {
        guard mayMatch(record) else { return nil }
        let key: Int64?
        switch selection.scope {
        case .user: key = record.orderedBy.millisecondsSince1970
        case .ongoing: key = record.isOngoing ? record.orderedBy.millisecondsSince1970 : nil
        case .anomaly(let anomaly):
            key =
                Anomaly.all(of: record, now: .earliest).contains(anomaly)
                ? record.orderedBy.millisecondsSince1970 : nil
        case .lasting(let state, let since): key = record.since(state).flatMap { Self.milliseconds($0, atMost: since) }
        case .waiting(let from): key = record.waitsUntil.flatMap { Self.milliseconds($0, atLeast: from) }
        case .requested(let from): key = record.requestedAt.flatMap { Self.milliseconds($0, atLeast: from) }
        case .status(_, let since): key = Self.milliseconds(record.statusSinceOrFirstHeard, atMost: since)
        case .everything: key = record.orderedBy.millisecondsSince1970
        case .expecting(let least): key = record.expectation.rawValue >= least.rawValue ? record.number : nil
        }
        return key.map { SortKey(key: $0, tie: record.tie) }
    }

    /// Whether a record of the scope fulfils the selection's conditions.
    func admits(_ record: SessionRecord) -> Bool {
        if let statuses = selection.statuses, !record.state.status.isListed(under: statuses) { return false }
        if selection.startsFrom != nil || selection.startsTo != nil {
            let start = record.startOrFirstHeard
            if let from = selection.startsFrom, start < from { return false }
            if let to = selection.startsTo, start > to { return false }
        }
        return selection.condition?(record) ?? true
    }

    private static func milliseconds(_ instant: Instant, atMost limit: Instant) -> Int64? {
        let value = instant.millisecondsSince1970
        return value <= limit.millisecondsSince1970 ? value : nil
    }

    private static func milliseconds(_ instant: Instant, atLeast limit: Instant) -> Int64? {
        let value = instant.millisecondsSince1970
        return value >= limit.millisecondsSince1970 ? value : nil
    }

    // MARK: Queries

    private static func select(_ key: String, _ index: String, _ condition: String, _ order: String) -> String {
        """
        SELECT number, \(key), session_id, record, tie FROM sessions INDEXED BY \(index)
        WHERE \(condition) ORDER BY \(order)
        """
    }

    private static let ofUser = select(
        "order_key", "sessions_by_user",
        "partition = ?5 AND user_id = ?1 AND skewed = 0 AND (order_key, tie) < (?2, ?3) AND order_key >= ?4",
        "order_key DESC, tie DESC")
    private static let skewedOfUser = select(
        "order_key", "sessions_skewed", "user_id = ?1 AND skewed = 1 AND (order_key, tie) < (?2, ?3)",
        "order_key DESC, tie DESC")
    private static let ongoing = select(
        "order_key", "sessions_ongoing", "user_id = ?1 AND ongoing = 1 AND (order_key, tie) < (?2, ?3)",
        "order_key DESC, tie DESC")

    private static let ofStatus = select(
        "status_since", "sessions_by_status",
        "status = ?1 AND status_since IS NOT NULL AND (status_since, tie) < (?2, ?3) AND status_since <= ?4",
        "status_since DESC, tie DESC")
    private static let everything = select(
        "order_key", "sessions_in_order", "(order_key, tie) < (?2, ?3)", "order_key DESC, tie DESC")

    private static func ascending(_ column: String, _ index: String, _ bound: String) -> String {
        select(
            column, index, "\(column) IS NOT NULL AND \(column) \(bound) ?4 AND (\(column), tie) > (?2, ?3)",
            "\(column), tie")
    }

    /// One walk each. A user's sessions are walked partition by partition, the newest first, and those that are skewed apart.
    /// - Parameter partitions: the number of partitions that may have rows.
    func queries(partitions: Int) -> [IndexQuery] {
        let first = isDescending ? SortKey(key: .max, tie: .max) : SortKey(key: .min, tie: .min)
        let after = selection.after ?? first
        let sortKey: [(index: Int32, value: Int64)] = [(2, after.key), (3, after.tie)]
        func bounded(_ sql: String, by instant: Instant) -> [IndexQuery] {
            [IndexQuery(sql: sql, integers: sortKey + [(4, instant.millisecondsSince1970)])]
        }
        switch selection.scope {
        case .user(let userId):
            let skewed = IndexQuery(sql: Self.skewedOfUser, texts: [(1, userId)], integers: sortKey)
            // All others start within the skew of their key.
            let highest = selection.startsTo.map { $0.millisecondsSince1970 + SessionRow.skewMaxMilliseconds + 1 }
            let start = min(after, SortKey(key: highest ?? .max, tie: .max))
            let lowest = selection.startsFrom.map { $0.millisecondsSince1970 - SessionRow.skewMaxMilliseconds - 1 }
            let bounds: [(index: Int32, value: Int64)] = [(2, start.key), (3, start.tie), (4, lowest ?? .min)]
            let usual = (0..<partitions).reversed().map { partition in
                IndexQuery(sql: Self.ofUser, texts: [(1, userId)], integers: bounds + [(5, Int64(partition))])
            }
            return usual + [skewed]
        case .ongoing(let userId):
            return [IndexQuery(sql: Self.ongoing, texts: [(1, userId)], integers: sortKey)]
        case .anomaly(let anomaly):
            let condition = "(anomalies & \(anomaly.bit)) != 0 AND (order_key, tie) < (?2, ?3)"
            let sql = Self.select(
                "order_key", "sessions_anomaly_\(anomaly.bit)", condition, "order_key DESC, tie DESC")
            return [IndexQuery(sql: sql, integers: sortKey)]
        case .lasting(let state, let since):
            return bounded(Self.ascending("\(state.rawValue)_since", "sessions_\(state.rawValue)", "<="), by: since)
        case .waiting(let from):
            return bounded(Self.ascending("waits_until", "sessions_waiting", ">="), by: from)
        case .requested(let from):
            return bounded(Self.ascending("requested_at", "sessions_requested", ">="), by: from)
        case .status(let statuses, let since):
            return statuses.map(\.listCode).sorted().map {
                IndexQuery(
                    sql: Self.ofStatus, integers: sortKey + [(1, $0), (4, since.millisecondsSince1970)])
            }
        case .everything: return [IndexQuery(sql: Self.everything, integers: sortKey)]
        case .expecting(let least):
            let sql = Self.select(
                "number", "sessions_expecting", "expectation = ?4 AND expectation > 0 AND number > ?2",
                "number")
            return SessionRecord.Expectation.allCases.filter { $0 != .nothing && $0.rawValue >= least.rawValue }.map {
                IndexQuery(sql: sql, integers: sortKey + [(4, $0.rawValue)])
            }
        }
    }
}
