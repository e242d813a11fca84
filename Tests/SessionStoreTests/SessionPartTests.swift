import SQLite
import SessionModel
import Testing

@testable import SessionStore

@Suite struct SessionPartTests {
    @Test func `parts follow each other without a gap, and grow`() {
        let partition = SessionPart(positionsMin: 4)
        #expect(partition.part(of: 1) == 0 && partition.part(of: 4) == 0 && partition.part(of: 5) == 1)
        var sizes: [Int: Int] = [:]
        var last = 0
        for number in 1...(32 * 4 + 32 * 16 + 32 * 64) {
            let part = partition.part(of: Int64(number))
            #expect(part == last || part == last + 1)
            last = part
            sizes[part, default: 0] += 1
        }
        #expect((0..<32).allSatisfy { sizes[$0] == 4 } && (32..<64).allSatisfy { sizes[$0] == 16 })
        #expect((64..<96).allSatisfy { sizes[$0] == 64 } && sizes.count == 96)
    }

    @Test func `every number has a part, and there are few`() {
        let partition = SessionPart(positionsMin: 1 << 20)
        #expect(partition.part(of: 30_000_000) == 28)
        #expect(partition.part(of: 1_000_000_000) <= 100)
        #expect(partition.part(of: .max) < 700)
        #expect(partition.part(of: 0) == 0 && partition.part(of: -1) == 0)
    }

    @Test func `the directory names the part of each session, and few others`() {
        let directory = SessionDirectory(partition: SessionPart(positionsMin: 1_000), last: 0)
        for number in 1...20_000 {
            directory.insert(SessionFilter.hash("s\(number)".utf8), number: Int64(number))
        }
        #expect(directory.count == 20)
        var surplus = 0
        for number in 1...20_000 {
            let candidates = directory.candidates("s\(number)")
            #expect(candidates.contains((number - 1) / 1_000))
            #expect(candidates == candidates.sorted(by: >))
            surplus += candidates.count - 1
        }
        #expect(surplus < 1_000)
        #expect((0..<1_000).count { !directory.candidates("other\($0)").isEmpty } < 100)
    }

    @Test func `a part that is not filled yet is always named`() {
        let directory = SessionDirectory(partition: SessionPart(positionsMin: 10), last: 25)
        #expect(directory.count == 3 && directory.candidates("a") == [2, 1, 0])
        directory.learn([SessionFilter.hash("b".utf8)], part: 2, isDone: true)
        #expect(directory.candidates("a") == [1, 0] && directory.candidates("b") == [2, 1, 0])
        directory.learn([], part: 1, isDone: true)
        directory.learn([], part: 0, isDone: false)
        #expect(directory.candidates("a") == [0])
        directory.learn([SessionFilter.hash("a".utf8)], part: 0, isDone: true)
        #expect(directory.candidates("a") == [0] && directory.candidates("b") == [2])
    }

    @Test func `filters of parts that are done with are saved and found again`() async throws {
        let folder = TemporaryDirectory()
        let options = manualOptions { $0.positionsPerPart = 10 }
        var store = try openStore(folder, options)
        for number in 1...35 { _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(number)", at: 1)) }
        try store.flush()
        func saved() throws -> Int64? {
            let database = try Database(path: folder.file("sessions.sqlite"), mode: .readOnly)
            defer { database.close() }
            return try database.integer("SELECT count(*) FROM filters")
        }
        #expect(try saved() == 3)
        _ = try await store.ingest(try delivery("SESSION_STOPPED", "s3", at: 2))
        for number in 36...40 { _ = try await store.ingest(try delivery("SESSION_STARTED", "s\(number)", at: 1)) }
        store.close()
        #expect(try saved() == 4)

        store = try openStore(folder, options)
        // What the opening itself knows, without what is read behind it: all parts but the newest were saved.
        #expect(store.parts.sessionDirectory.candidates("s3") == [0])
        #expect(store.parts.sessionDirectory.candidates("s25") == [2])
        #expect(store.parts.sessionDirectory.candidates("s40").contains(4))
        let outcome = try await store.ingest(try delivery("SESSION_COMPLETE", "s3", at: 3))
        #expect(outcome.version == 3 && outcome.status == .complete)
        store.close()
        #expect(try openStore(folder, options).check { _ in }.differenceCount == 0)
    }
}
