package import Base
internal import SQLite
internal import SessionModel

/// A request with an idempotency key, for which an answer is kept.
package struct KeyedRequest: Sendable, Hashable {
    /// What the key is unique within: the operation and whose it is.
    package let scope: String
    package let key: String
    /// Tells requests of different content apart (a digest).
    package let request: String

    package init(scope: String, key: String, request: String) {
        self.scope = scope
        self.key = key
        self.request = request
    }
}

/// An answer as it was given.
package struct KeptAnswer: Sendable, Equatable {
    package let status: UInt16
    package let contentType: String
    package let body: [UInt8]

    package init(status: UInt16, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// What is known of an idempotency key.
package enum KeyClaim: Sendable, Equatable {
    /// It is new, and now claimed, durably.
    case claimed
    /// The same request was answered.
    case answered(KeptAnswer)
    /// It was used with another request.
    case otherRequest
    /// It was claimed, and no answer was kept: a process ended in between.
    case withoutAnswer
}

extension Ledger {
    /// Keys kept of all scopes; then the oldest of the scope that has the most goes.
    static let keysMax = 100_000
    /// Keys kept of one scope; the oldest go first. So nobody's keys push out another's.
    package static let keysOfScopeMax = 1_000

    /// What a key is in use for; nil where it is free.
    ///
    /// - Parameter since: claims older than this no longer count.
    package func use(of keyed: KeyedRequest, since: Instant) throws(StoreError) -> KeyClaim? {
        try run { (database) throws(SQLiteError) in try Self.use(of: keyed, since: since, database) }
    }

    private static func use(
        of keyed: KeyedRequest, since: Instant, _ database: Database
    ) throws(SQLiteError) -> KeyClaim? {
        var found: KeyClaim?
        try database.query(
            """
            SELECT request, status, content_type, body FROM idempotency
            WHERE scope = ?1 AND key = ?2 AND created_at >= ?3
            """,
            bind: {
                $0.bind(1, text: keyed.scope)
                $0.bind(2, text: keyed.key)
                $0.bind(3, since.microsecondsSince1970)
            },
            row: {
                if $0.text(0) != keyed.request {
                    found = .otherRequest
                } else if $0.isNull(1) {
                    found = .withoutAnswer
                } else {
                    found = .answered(
                        KeptAnswer(status: UInt16(clamping: $0.int64(1)), contentType: $0.text(2), body: $0.array(3)))
                }
            })
        return found
    }

    /// Claims a key, durably, unless it is in use.
    ///
    /// - Parameter since: claims older than this no longer count, and are removed.
    package func claim(
        _ keyed: KeyedRequest, now: Instant, since: Instant, keysMax: Int = keysMax,
        keysOfScopeMax: Int = keysOfScopeMax
    ) throws(StoreError) -> KeyClaim {
        try write { (database) throws(SQLiteError) in
            try database.run(
                "DELETE FROM idempotency WHERE created_at < ?1", bind: { $0.bind(1, since.microsecondsSince1970) })
            if let found = try Self.use(of: keyed, since: since, database) { return found }
            try database.run(
                "INSERT INTO idempotency VALUES(NULL, ?1, ?2, ?3, NULL, NULL, NULL, ?4)",
                bind: {
                    $0.bind(1, text: keyed.scope)
                    $0.bind(2, text: keyed.key)
                    $0.bind(3, text: keyed.request)
                    $0.bind(4, now.microsecondsSince1970)
                })
            try database.run(
                """
                DELETE FROM idempotency WHERE id IN
                    (SELECT id FROM idempotency WHERE scope = ?1 ORDER BY id DESC LIMIT -1 OFFSET \(keysOfScopeMax))
                """, bind: { $0.bind(1, text: keyed.scope) })
            guard try database.integer("SELECT count(*) FROM idempotency") ?? 0 > keysMax else { return .claimed }
            // The new one stays, also where nobody has more.
            try database.execute(
                """
                DELETE FROM idempotency WHERE id =
                    (SELECT min(id) FROM idempotency GROUP BY scope ORDER BY count(*) DESC, min(id) LIMIT 1)
                """)
            return .claimed
        }
    }

    /// Keeps the answer of a claimed key; nil gives the key free, for a request that certainly had no effect.
    package func keepAnswer(_ answer: KeptAnswer?, of keyed: KeyedRequest) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            guard let answer else {
                return try database.run(
                    "DELETE FROM idempotency WHERE scope = ?1 AND key = ?2",
                    bind: {
                        $0.bind(1, text: keyed.scope)
                        $0.bind(2, text: keyed.key)
                    })
            }
            let update = try database.prepare(
                "UPDATE idempotency SET status = ?3, content_type = ?4, body = ?5 WHERE scope = ?1 AND key = ?2")
            defer { update.finalize() }
            update.bind(1, text: keyed.scope)
            update.bind(2, text: keyed.key)
            update.bind(3, Int64(answer.status))
            update.bind(4, text: answer.contentType)
            try answer.body.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
                update.bindBorrowed(5, blob: UnsafeRawBufferPointer(bytes))
                try update.run()
            }
        }
    }

    // MARK: Connectors

    /// Notes when a session was last started on a connector; nil takes that back.
    package func setStart(
        connectorId: String, _ startedAt: Instant?, forgetBefore: Instant
    ) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            try database.run(
                "DELETE FROM cooldown WHERE connector = ?1 OR started_at < ?2",
                bind: {
                    $0.bind(1, text: connectorId)
                    $0.bind(2, forgetBefore.microsecondsSince1970)
                })
            guard let startedAt else { return }
            try database.run(
                "INSERT INTO cooldown VALUES(NULL, ?1, ?2)",
                bind: {
                    $0.bind(1, text: connectorId)
                    $0.bind(2, startedAt.microsecondsSince1970)
                })
        }
    }

    /// Starts since that instant, by connector.
    package func starts(since: Instant) throws(StoreError) -> [(connectorId: String, startedAt: Instant)] {
        try run { (database) throws(SQLiteError) in
            var found: [(connectorId: String, startedAt: Instant)] = []
            try database.query(
                "SELECT connector, started_at FROM cooldown WHERE started_at >= ?1",
                bind: { $0.bind(1, since.microsecondsSince1970) },
                row: { found.append(($0.text(0), Instant(microsecondsSince1970: $0.int64(1)))) })
            return found
        }
    }
}
