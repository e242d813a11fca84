internal import Base

/// The tables of the shared log, made and grown by the receivers themselves.
///
/// It only grows: a receiver of an older release works beside a newer one as long as `min_reader` allows. A released step
/// is never edited.
struct SharedLogSchema {
    /// The highest version that this release makes, and the oldest release's version that may work with it.
    static let version: Int64 = 1
    static let minReader: Int64 = 1

    /// Quoted, with the dot.
    let prefix: String
    private let name: String

    /// - Throws: `settings` where the name needs quoting: letters, digits and underscores, in lower case.
    init(_ name: String) throws(PostgresError) {
        let isPlain = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "_")
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard isPlain, (1...63).contains(name.utf8.count), !name.hasPrefix("pg_"),
            name.utf8.first.map({ $0 > 57 }) == true
        else {
            throw PostgresError(.settings, "a schema's name is made of lower case letters, digits and underscores")
        }
        self.name = name
        prefix = "\"\(name)\"."
    }

    /// What a database says of its shared log.
    struct Found {
        let version: Int64
        let minReader: Int64
        let identity: Identity
    }

    /// nil where there is none.
    func find(_ connection: PostgresConnection) throws(PostgresError) -> Found? {
        do throws(PostgresError) {
            let result = try connection.execute("select version, min_reader, identity from \(prefix)meta")
            guard result.rowCount == 1 else { return nil }
            return Found(
                version: result.integer(0, 0), minReader: result.integer(0, 1), identity: result.identity(0, 2))
        } catch {
            let missing = [PostgresError.State.undefinedTable, PostgresError.State.invalidSchemaName]
            if let state = error.sqlState, missing.contains(state) { return nil }
            throw error
        }
    }

    /// Makes the tables where they are missing and brings them up to date; one receiver at a time.
    ///
    /// A database that has lost everything gets the identity and the numbers of origins that this directory remembers:
    /// what others hold of the shared log (cursors with origins' numbers) stays right.
    /// - Returns: the shared log's identity.
    /// - Throws: also `settings` where a newer release has closed the log to this one.
    func prepare(
        _ connection: PostgresConnection, remembered: DirectoryState
    ) throws(PostgresError) -> Identity {
        if let found = try find(connection), found.version >= Self.version { return try accept(found) }
        let exists = try connection.execute("select to_regnamespace($1::text) is not null", [.text("\"\(name)\"")])
        // A schema that is there needs no right to make one.
        let schema = exists.boolean(0, 0) ? "" : "create schema if not exists \"\(name)\";"
        let identity = remembered.sharedLog == .none ? Identity.random() : remembered.sharedLog
        let origins = remembered.numbers.map { origin, number in
            "insert into \(prefix)origins(number, identity) values(\(number), '\\x\(origin)') on conflict do nothing;"
        }
        try connection.execute(
            script: """
                select pg_advisory_xact_lock(\(Self.lock));
                \(schema)
                \(tables)
                insert into \(prefix)meta(id, version, min_reader, identity)
                    values(1, \(Self.version), \(Self.minReader), '\\x\(identity)') on conflict do nothing;
                \(origins.joined(separator: "\n"))
                """)
        guard let found = try find(connection) else {
            throw PostgresError(.unexpected, "the shared log's tables were made and are not there")
        }
        return try accept(found)
    }

    private func accept(_ found: Found) throws(PostgresError) -> Identity {
        guard found.minReader <= Self.version else {
            throw PostgresError(
                .settings,
                "the shared log in schema \(name) needs a newer release than this one: "
                    + "it has version \(found.version), readers must know \(found.minReader), this one knows \(Self.version)"
            )
        }
        return found.identity
    }

    /// The advisory lock that is held while tables are made: "CFSL".
    private static let lock = 0x4346_534C

    /// Rows of `origins` change with every commit, so a row has room beside it, and what is dead goes early.
    private var tables: String {
        """
        create table if not exists \(prefix)meta(
            id integer primary key check(id = 1), version bigint not null, min_reader bigint not null,
            identity bytea not null, made_at timestamptz not null default now());
        create table if not exists \(prefix)origins(
            number integer primary key check(number > 0), identity bytea not null unique,
            epoch bigint not null default 0, holder bytea not null default '\\x\(Identity.none)',
            shipped bigint not null default 0, receiver text not null default '',
            registered_at timestamptz not null default now())
            with (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
                autovacuum_vacuum_cost_delay = 0);
        create table if not exists \(prefix)deliveries(
            origin integer not null, sequence bigint not null, received_at bigint not null, source smallint not null,
            body bytea not null, primary key(origin, sequence));
        create table if not exists \(prefix)receivers(
            name text primary key, origin bytea not null, version text not null,
            seen_at timestamptz not null default now(), fingerprints text not null default '',
            frontier text not null default '', unshipped bigint not null default 0,
            is_accepting boolean not null default false, oldest_unshipped_ms bigint)
            with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
        create table if not exists \(prefix)acceptance(
            receiver text not null, began_at bigint not null, accepted_until bigint not null,
            primary key(receiver, began_at))
            with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
        create table if not exists \(prefix)leases(
            name text primary key, holder text not null, epoch bigint not null, until timestamptz not null)
            with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
        create table if not exists \(prefix)claims(
            scope text not null, key text not null, holder text not null, request text not null default '',
            made_at timestamptz not null default now(), until timestamptz not null, answer bytea,
            primary key(scope, key));
        create index if not exists claims_until on \(prefix)claims(until);
        create table if not exists \(prefix)erasures(
            number bigint generated always as identity primary key, person bytea not null, places text not null,
            made_by text not null, made_at timestamptz not null default now());
        create table if not exists \(prefix)erasure_reports(
            erasure bigint not null, receiver text not null, made_at timestamptz not null default now(),
            primary key(erasure, receiver));
        create table if not exists \(prefix)quarantine(
            id bigint primary key, receiver text not null, received_at bigint not null, reason text not null,
            credentials bytea not null, body bytea not null, is_gone boolean not null default false);
        """
    }
}
