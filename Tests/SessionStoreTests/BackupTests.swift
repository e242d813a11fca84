import Base
import Dispatch
import EventLog
import Glibc
import Ledger
import SessionIndex
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

struct BackupTests {
    let directory = TemporaryDirectory()
    let elsewhere = TemporaryDirectory()
    private let backup = Backup(version: "1", createdAt: "2026-01-01T00:00:00Z", furtherFiles: ["seal.key", "absent"])

    private var target: String { elsewhere.file("backup") }
    private var restored: String { elsewhere.file("restored") }

    private func open(_ path: String, _ options: StoreOptions = manualOptions()) throws -> DiskSessionStore {
        try DiskSessionStore(directory: path, options: options, logger: quietLogger)
    }

    @Test func `what is restored has the deliveries, the ledger and the key, and goes on`() async throws {
        TemporaryDirectory.write([7], to: directory.file("seal.key"))
        let store = try openStore(directory)
        // More than one segment.
        _ = try await ingest(1_500, into: store)
        try store.ledger.blocking { (ledger) throws(StoreError) in
            _ = try ledger.noteLog(KnownLog(identity: store.log.identity, end: store.log.lastPosition))
        }
        let manifest = try store.backUp(to: target, backup)
        #expect(manifest.deliveries == 1_500)
        #expect(manifest.end == 1_500)
        #expect(manifest.files.count > 3)
        #expect(manifest.damagedFiles.isEmpty)
        #expect(try BackupManifest.read(from: target) == manifest)
        // What comes after it is not in it.
        _ = try await ingest(3, from: 1_500, into: store)

        #expect(try Backup.restore(from: target, to: restored) == manifest)
        #expect(TemporaryDirectory.read(restored + "/seal.key") == [7])
        let copy = try open(restored)
        #expect(copy.log.identity == store.log.identity)
        #expect(try copy.entries() == Array(try store.entries().prefix(1_500)))
        try await expectFoldOfLog(copy)
        let after = try await ingest(20, from: 2_000, into: copy)
        #expect(after.map(\.position) == Array(1_501...1_520))
        copy.close()
        let again = try open(restored)
        #expect(try again.entries().count == 1_520)
        #expect(try again.check { _ in }.isClean)
        again.close()
        store.close()
    }

    @Test func `deliveries are taken while it is made, and the copy ends where one of them did`() async throws {
        let store = try openStore(directory)
        _ = try await ingest(100, into: store)
        async let more = ingest(400, from: 100, into: store)
        let manifest = try store.backUp(to: target, backup)
        _ = try await more
        #expect((100...500).contains(manifest.end))
        _ = try Backup.restore(from: target, to: restored)
        let copy = try open(restored)
        #expect(try copy.entries() == Array(try store.entries().prefix(Int(manifest.end))))
        copy.close()
        store.close()
    }

    @Test func `nothing that is there is written over`() async throws {
        let store = try openStore(directory)
        _ = try await ingest(3, into: store)
        let error = #expect(throws: StoreError.self) { try store.backUp(to: elsewhere.path, backup) }
        #expect(error?.code == .directory)
        #expect(elsewhere.names.isEmpty)
        _ = try store.backUp(to: target, backup)
        let before = elsewhere.contents
        #expect(throws: StoreError.self) { try store.backUp(to: target, backup) }
        store.close()
        let into = #expect(throws: StoreError.self) { try Backup.restore(from: target, to: directory.path) }
        #expect(into?.message.contains("is not empty") == true)
        #expect(elsewhere.contents == before)
    }

    @Test func `no backup is made within what it is a backup of`() async throws {
        let store = try openStore(directory)
        _ = try await ingest(3, into: store)
        symlink(store.directory, elsewhere.file("link"))
        for target in [
            store.directory + "/inside", store.directory + "/log/inside/", elsewhere.file("link/log/../inside"),
        ] {
            let error = #expect(throws: StoreError.self) { try store.backUp(to: target, backup) }
            #expect(error?.message.contains("in the data directory itself") == true)
        }
        #expect(access(store.directory + "/inside", F_OK) != 0)
        store.close()
    }

    @Test func `an empty directory may be restored into, and is empty again where it fails`() async throws {
        let store = try openStore(directory)
        _ = try await ingest(30, into: store)
        _ = try store.backUp(to: target, backup)
        store.close()
        elsewhere.change(try #require(elsewhere.names.first { $0.hasSuffix(".log") })) { $0[5_000] ^= 1 }
        let empty = TemporaryDirectory()
        let error = #expect(throws: StoreError.self) { try Backup.restore(from: target, to: empty.path) }
        #expect(error?.code == .damaged)
        #expect(error?.message.contains("is not as it was when the backup was made") == true)
        #expect(empty.names.isEmpty)
        #expect(throws: StoreError.self) { try Backup.restore(from: target, to: restored) }
        #expect(!FileSystem.exists(restored))
    }

    @Test func `a backup that was not finished is none`() async throws {
        let store = try openStore(directory)
        _ = try await ingest(3, into: store)
        _ = try store.backUp(to: target, backup)
        store.close()
        TemporaryDirectory.removeFile(target + "/" + BackupManifest.name)
        let error = #expect(throws: StoreError.self) { try Backup.restore(from: target, to: restored) }
        #expect(error?.message.contains("no complete backup") == true)
    }

    @Test func `damage of the log is in the backup as it is, and said`() async throws {
        let store = try openStore(directory)
        _ = try await ingest(1_500, into: store)
        directory.change(directory.segments[0]) { $0[5_000] ^= 1 }
        let manifest = try store.backUp(to: target, backup)
        #expect(manifest.damagedFiles.count == 1)
        #expect(manifest.deliveries < 1_500)
        #expect(try Backup.restore(from: target, to: restored) == manifest)
        store.close()
    }

    @Test func `a stop does not wait for it, and nothing of it stays`() async throws {
        let store = try openStore(directory)
        _ = try await ingest(1_500, into: store)
        let closed = DispatchSemaphore(value: 0)
        let backup = Backup(version: "1", createdAt: "2026-01-01T00:00:00Z", furtherFiles: []) { _, _, _ in
            guard store.unavailability?.code != .closed else { return }
            DispatchQueue.global().async {
                store.close()
                closed.signal()
            }
            while store.unavailability?.code != .closed { sched_yield() }
        }
        let error = #expect(throws: StoreError.self) { try store.backUp(to: target, backup) }
        #expect(error?.message.contains("the server stops") == true)
        #expect(!FileSystem.exists(target))
        #expect(closed.wait(timeout: .now() + 60) == .success)
    }

    @Test func `a list that leads out of the backup is not read`() {
        let list = #"""
            {"format":1,"version":"1","createdAt":"x","log":"00000000000000000000000000000001","end":1,"deliveries":1,
            "damagedFiles":[],"files":[{"name":"NAME","bytes":1,"crc32c":1}]}
            """#
        func read(_ name: String) -> BackupManifest? {
            BackupManifest(decoding: Array(list.replacing("NAME", with: name).utf8))
        }
        #expect(read("log/a")?.files.map(\.name) == ["log/a"])
        for name in ["../a", "/etc/passwd", "log/../../a", "log/", "", "a/b/c"] { #expect(read(name) == nil) }
    }

    @Test func `a store that is not there is not made for a tool`() throws {
        let options = manualOptions { $0.makesDirectory = false }
        for path in [elsewhere.path, elsewhere.file("absent")] {
            for readOnly in [true, false] {
                let error = #expect(throws: StoreError.self) {
                    try DiskSessionStore(directory: path, options: options, readOnly: readOnly, logger: quietLogger)
                }
                #expect(error?.message.contains("there is no data directory at") == true)
            }
        }
        #expect(elsewhere.names.isEmpty)
        #expect(!FileSystem.exists(elsewhere.file("absent")))
    }
}
