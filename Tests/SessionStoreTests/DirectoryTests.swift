import Base
import Glibc
import Ledger
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

struct DirectoryTests {
    let directory = TemporaryDirectory()

    @Test func `a second owner is refused and told who the first is`() throws {
        let store = try openStore(directory)
        let error = #expect(throws: StoreError.self) { try openStore(directory) }
        #expect(error?.code == .locked)
        #expect(error?.message.contains("process \(getpid());") == true)
        let reading = #expect(throws: StoreError.self) { try openStore(directory, readOnly: true) }
        #expect(reading?.code == .locked)
        store.close()
        _ = store
    }

    @Test func `the directory is made for its owner only`() throws {
        let path = directory.file("data")
        var store: DiskSessionStore? = try DiskSessionStore(
            directory: path, options: manualOptions(), logger: quietLogger)
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
        store?.close()
        store = nil
    }

    @Test func `a parent that is not there is a clear error`() {
        let error = #expect(throws: StoreError.self) {
            try DiskSessionStore(
                directory: directory.file("no/such"), options: manualOptions(), logger: quietLogger)
        }
        #expect(error?.code == .directory)
    }

    @Test func `reading only needs a log and changes nothing`() async throws {
        let error = #expect(throws: StoreError.self) { try openStore(directory, readOnly: true) }
        #expect(error?.code == .directory)

        var store: DiskSessionStore? = try openStore(directory)
        _ = try await store?.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        try store?.flush()
        _ = try await store?.ingest(try delivery("SESSION_STOPPED", "a", at: 2))
        let copy = directory.copyAsAfterCrash()
        store?.close()
        store = nil

        let reader = try openStore(copy, readOnly: true)
        // The tail is folded in memory.
        #expect(try await reader.record("a")?.state.status == .stopped)
        #expect(try reader.entries().count == 2)
        #expect(try reader.check { _ in }.differenceCount == 0)
        #expect(!reader.isWritable)
        await #expect(throws: StoreError.self) { try await reader.ingest(delivery("SESSION_STOPPED", "a", at: 3)) }
        reader.close()
    }

    @Test func `the files are whole without a WAL after closing`() async throws {
        let store = try openStore(directory)
        _ = try await store.ingest(try delivery("SESSION_STARTED", "a", at: 1))
        store.close()
        store.close()
        #expect(
            directory.names == ["ledger.sqlite", "lock", "log/00000000000000000001.log", "sessions.sqlite"])
        await #expect(throws: StoreError.self) { try await store.ingest(delivery("SESSION_STOPPED", "a", at: 3)) }
        await #expect(throws: StoreError.self) { try await store.record("unknown") }
        #expect(throws: StoreError.self) { try store.flush() }
    }
}
