/// What tools do with the shared log, over a connection of their own and without a data directory. Blocks.
package struct SharedLogTool {
    private let schema: SharedLogSchema
    private let connection: PostgresConnection

    /// Connects.
    package init(_ settings: SharedLogSettings) throws(PostgresError) {
        schema = try SharedLogSchema(settings.schema)
        connection = try Self.connect(settings)
    }

    private static func connect(_ settings: SharedLogSettings) throws(PostgresError) -> PostgresConnection {
        let connection = try PostgresConnection(
            settings.postgres, name: "chargefold tool", interruption: Interruption())
        try connection.claimSession()
        return connection
    }

    package func receivers() throws(PostgresError) -> [KnownReceiver] {
        try Receivers(schema).list(connection)
    }

    /// Declares a receiver's disk destroyed.
    /// - Returns: whether it was known.
    package func forget(_ name: String) throws(PostgresError) -> Bool {
        try Receivers(schema).forget(name, connection)
    }

    /// The oldest server that this works with, as in `server_version_num`.
    private static let serverVersionMin = 130_000

    /// What a receiver would find there, a line each; changes nothing.
    /// - Throws: also where it could not work with what it would find.
    package func examine(_ settings: SharedLogSettings) throws(PostgresError) -> [String] {
        // What two connections say shows whether a pooler is between that receivers cannot work with.
        _ = try Self.connect(settings)
        let version = connection.serverVersion
        guard version >= Self.serverVersionMin else {
            throw PostgresError(.settings, "PostgreSQL \(version / 10_000) is too old: 13 or newer is needed")
        }
        var lines = ["PostgreSQL \(version / 10_000).\(version % 10_000), schema \(settings.schema)"]
        if let found = try schema.find(connection) {
            guard found.minReader <= SharedLogSchema.version else {
                throw PostgresError(.settings, "the shared log needs a newer release than this one")
            }
            lines.append("shared log \(found.identity), version \(found.version)")
            let receivers = try receivers()
            let names = receivers.map { "\($0.name) (seen \(Int($0.secondsSinceSeen)) s ago)" }
            lines.append(names.isEmpty ? "no receivers yet" : "receivers: " + names.joined(separator: ", "))
            for receiver in receivers where receiver.name != settings.name {
                let differing = settings.fingerprints.filter { secret, digest in
                    receiver.fingerprints[secret].map { $0 != digest } ?? false
                }
                if !differing.isEmpty {
                    lines.append("\(receiver.name) has another \(differing.keys.sorted().joined(separator: ", "))")
                }
            }
        } else {
            let rights = try connection.execute(
                """
                select to_regnamespace($1::text) is not null,
                    has_database_privilege(current_database(), 'create'),
                    coalesce(has_schema_privilege(to_regnamespace($1::text), 'create'), false)
                """, [.text(settings.schema)])
            let exists = rights.boolean(0, 0)
            guard exists ? rights.boolean(0, 2) : rights.boolean(0, 1) else {
                throw PostgresError(
                    .settings,
                    exists ? "the role may not make tables in the schema" : "the role may not make the schema")
            }
            lines.append("no shared log yet; the first receiver makes it")
        }
        let standbys = try connection.execute(
            "select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum')")
        lines.append("\(standbys.integer(0, 0)) synchronous standbys")
        return lines
    }
}
