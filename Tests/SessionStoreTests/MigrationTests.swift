import Base
import SQLite
import SessionModel
import Testing

@testable import SessionStore

struct MigrationTests {
    let directory = TemporaryDirectory()

    @Test func releasedStepsRiseWithoutGaps() {
        for schema in [LogSchema.schema, DerivedSchema.schema] {
            #expect(schema.migrations.map(\.version) == Array(1...schema.version))
        }
    }

    @Test(arguments: ["PRAGMA user_version = 99", "PRAGMA application_id = 99"])
    func aLogOfANewerReleaseOrAnotherApplicationIsRefusedAndLeftAlone(_ change: String) async throws {
        let store = try openStore(directory)
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        store.close()
        var database = try Database(path: directory.file("log.sqlite"), mode: .readWriteCreate)
        try database.execute(change)
        database.close()
        for readOnly in [false, true] {
            let error = #expect(throws: StoreError.self) { try openStore(directory, readOnly: readOnly) }
            #expect(error?.code == (change.contains("user_version") ? .newerSchema : .damaged))
            #expect(error?.message.contains("log.sqlite") == true)
        }
        database = try Database(path: directory.file("log.sqlite"), mode: .readWriteCreate)
        #expect(try database.integer("SELECT count(*) FROM deliveries") == 1)
        database.close()
    }

    /// The files as the first release makes them, byte by byte of the schema: every later release must open them.
    @Test func filesOfSchemaVersion1AreOpened() async throws {
        let database = try Database(path: directory.file("log.sqlite"), mode: .readWriteCreate)
        try database.execute(
            """
            CREATE TABLE deliveries(
                position INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, source INTEGER NOT NULL,
                body BLOB NOT NULL);
            CREATE TABLE properties(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
            INSERT INTO properties VALUES('log_id', 'abc'), ('probe', 0);
            INSERT INTO deliveries VALUES(1, 1770000000000000, 0,
                CAST('{"event":"SESSION_STARTED","payload":{"sessionId":"a","timestamp":"2026-01-01T00:00:00Z"}}' AS BLOB));
            PRAGMA application_id = 0x43464C47;
            PRAGMA user_version = 1;
            """)
        database.close()
        let store = try openStore(directory)
        #expect(try await store.record("a")?.state.status == .started)
        #expect(try await store.ingest(try delivery("SESSION_STOPPED", "a", at: 1)).position == 2)
        #expect(try store.check { _ in }.differenceCount == 0)
        store.close()
    }
}
