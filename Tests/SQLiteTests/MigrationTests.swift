import SQLite
import TestSupport
import Testing

struct MigrationTests {
    let directory = TemporaryDirectory()

    private func steps(_ count: Int64) -> Schema {
        Schema(
            applicationId: 42,
            migrations: (1...count).map { SchemaMigration(version: $0, sql: "CREATE TABLE t\($0)(a)") })
    }

    @Test func `steps are applied once and in order`() throws {
        let database = try Database(path: directory.file("x.sqlite"), mode: .readWriteCreate)
        #expect(try steps(1).migrate(database) == 0)
        try database.execute("INSERT INTO t1 VALUES(7)")
        #expect(try steps(3).migrate(database) == 1)
        #expect(try database.integer("SELECT a FROM t1") == 7)
        #expect(try database.integer("SELECT count(*) FROM sqlite_schema") == 3)
        #expect(try steps(3).migrate(database) == 3)
        #expect(try database.integer("PRAGMA user_version") == 3)
        database.close()
    }

    @Test func `a step that fails leaves the version before it`() throws {
        let database = try Database(path: directory.file("x.sqlite"), mode: .readWriteCreate)
        let broken = Schema(
            applicationId: 42,
            migrations: [
                SchemaMigration(version: 1, sql: "CREATE TABLE t1(a)"),
                SchemaMigration(version: 2, sql: "CREATE TABLE t2(a); CREATE TABLE t1(a)"),
            ])
        #expect(throws: SchemaError.self) { try broken.migrate(database) }
        #expect(try database.integer("PRAGMA user_version") == 1)
        #expect(try database.integer("SELECT count(*) FROM sqlite_schema") == 1)
        database.close()
    }
}
