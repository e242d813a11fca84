import Base
import Ledger
import SQLite
import TestSupport
import Testing

@testable import SessionStore

struct MigrationTests {
    let directory = TemporaryDirectory()

    @Test(arguments: ["PRAGMA user_version = 99", "PRAGMA application_id = 99"])
    func `a ledger that another release or application has written stops the start, and is left alone`(
        _ change: String
    ) async throws {
        let store = try openStore(directory)
        _ = try await ingest(3, into: store)
        store.close()
        let path = directory.file("ledger.sqlite")
        let database = try Database(path: path, mode: .readWriteCreate)
        try database.execute(change)
        database.close()
        let before = directory.contents
        if change.contains("user_version") {
            let error = #expect(throws: StoreError.self) { try openStore(directory) }
            #expect(error?.code == .newerSchema && error?.message.contains("ledger.sqlite") == true)
            for (name, content) in before {
                let isSame = TemporaryDirectory.read(directory.file(name)) == content
                #expect(isSame, "\(name)")
            }
        } else {
            // What is no ledger is kept aside, and a new one is made.
            let opened = try openStore(directory)
            try await expectFoldOfLog(opened)
            opened.close()
            #expect(directory.names.contains { $0.hasPrefix("ledger.sqlite.") })
        }
    }
}
