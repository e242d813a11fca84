import Base
import Glibc
import SessionModel
import Testing

@testable import SessionStore

struct DirectoryTests {
    let directory = TemporaryDirectory()

    @Test func aSecondOwnerIsRefusedAndToldWhoTheFirstIs() throws {
        let store = try openStore(directory)
        let error = #expect(throws: StoreError.self) { try openStore(directory) }
        #expect(error?.code == .locked)
        #expect(error?.message.contains("process \(getpid());") == true)
        let reading = #expect(throws: StoreError.self) { try openStore(directory, readOnly: true) }
        #expect(reading?.code == .locked)
        store.close()
        _ = store
    }

    @Test func theDirectoryIsMadeForItsOwnerOnly() throws {
        let path = directory.file("data")
        var store: SQLiteSessionStore? = try SQLiteSessionStore(
            directory: path, options: manualOptions(), logger: quietLogger)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        store?.close()
        store = nil
        for name in TemporaryDirectory.names(path) { unlink(path + "/" + name) }
        rmdir(path)
    }

    @Test func aParentThatIsNotThereIsAClearError() {
        let error = #expect(throws: StoreError.self) {
            try SQLiteSessionStore(
                directory: directory.file("no/such"), options: manualOptions(), logger: quietLogger)
        }
        #expect(error?.code == .directory)
    }

    @Test func readingOnlyNeedsALogAndChangesNothing() async throws {
        let error = #expect(throws: StoreError.self) { try openStore(directory, readOnly: true) }
        #expect(error?.code == .directory)

        var store: SQLiteSessionStore? = try openStore(directory)
        _ = try await store?.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        try store?.flush()
        _ = try await store?.ingest(try delivery("SESSION_STOPPED", "a", at: 2))
        let copy = directory.copyAsAfterCrash()
        store?.close()
        store = nil

        let reader = try openStore(copy, readOnly: true)
        // The tail is folded in memory.
        #expect(try await reader.record("a")?.state.status == .stopped)
        #expect(try reader.log().count == 2)
        #expect(try reader.check { _ in }.differenceCount == 0)
        #expect(!reader.isWritable)
        await #expect(throws: Refused.self) { try await reader.ingest(delivery("SESSION_STOPPED", "a", at: 3)) }
        reader.close()
    }

    @Test func theFilesAreWholeWithoutAWALAfterClosing() async throws {
        let store = try openStore(directory)
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        store.close()
        store.close()
        #expect(
            Set(TemporaryDirectory.names(directory.path)).isSubset(of: ["log.sqlite", "sessions.sqlite", "lock"]))
        await #expect(throws: Refused.self) { try await store.ingest(delivery("SESSION_STOPPED", "a", at: 3)) }
        await #expect(throws: StoreError.self) { try await store.record("unknown") }
        #expect(throws: StoreError.self) { try store.log() }
        #expect(throws: StoreError.self) { try store.flush() }
    }
}
