import SQLite
import TestSupport
import Testing

struct PageScrubberTests {
    let directory = TemporaryDirectory()

    /// Whether anything is left where cells were moved depends on how SQLite splits pages; what must hold afterwards not.
    @Test func `nothing of deleted rows is left in the file`() throws {
        let database = try Database(path: directory.file("x.sqlite"), mode: .readWriteCreate)
        defer { database.close() }
        try database.execute(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA secure_delete = ON;
            CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
            INSERT INTO t SELECT (i * 7919) % 100003, 'marker-' || i || printf('%.*c', i % 90, 'x') FROM n;
            DELETE FROM t WHERE a % 3 <> 0;
            UPDATE t SET b = 'kept';
            """)
        _ = try database.checkpoint(truncating: true)
        try PageScrubber(database).run()
        #expect(!directory.holds("marker-"))
        #expect(try database.text("PRAGMA integrity_check") == "ok")
    }

    @Test func `a file that is clean is not written`() throws {
        let database = try Database(path: directory.file("x.sqlite"), mode: .readWriteCreate)
        defer { database.close() }
        try database.execute("CREATE TABLE t(a); INSERT INTO t VALUES(1)")
        try PageScrubber(database).run()
        #expect(try PageScrubber(database).run() == 0)
    }
}
