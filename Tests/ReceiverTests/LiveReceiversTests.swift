import Base
import Dispatch
import Foundation
import HTTPClient
import SessionIndex
import SessionModel
import SessionStore
import Testing

@testable import Receiver

/// Readers that change receivers see each change exactly once, whoever heard what first.
@Suite struct LiveReceiversTests {
    /// Two receivers that have what the other one has when the test says so.
    private struct Pair {
        let servers: [RunningServer]
        let stores: [DiskSessionStore]

        init(_ servers: [RunningServer]) throws {
            self.servers = servers
            stores = try servers.map { try #require($0.features.store as? DiskSessionStore) }
            let origins = OriginNumbers()
            for (index, store) in stores.enumerated() { origins.note(store.origin, number: index + 1) }
            for store in stores { store.setOriginNumbers(origins) }
        }

        /// One takes what the other one has received, or the first of it.
        func pull(into index: Int, atMost countMax: Int) throws {
            let (store, other) = (stores[index], stores[1 - index])
            let rows = try other.deliveries(
                of: other.origin, after: store.frontier[other.origin] ?? 0, countMax: countMax, bytesMax: 1 << 20)
            let outcome = Locked<StoreError?>(nil)
            let done = DispatchSemaphore(value: 0)
            Task {
                do throws(StoreError) {
                    try await store.append(rows, of: other.origin)
                } catch {
                    outcome.withLock { $0 = error }
                }
                done.signal()
            }
            done.wait()
            if let error = outcome.withLock({ $0 }) { throw error }
        }
    }

    private static let operatorToken = "token-of-an-operator"

    /// On a thread of its own: what a test waits for needs Swift's threads.
    private func withPair(_ body: @escaping @Sendable (Pair, TestClock) throws -> Void) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            Thread.detachNewThread { continuation.resume(with: Result { try runPair(body) }) }
        }
    }

    private func runPair(_ body: (Pair, TestClock) throws -> Void) throws {
        let clock = TestClock()
        func configure(_ configuration: inout ReceiverConfiguration) throws {
            configuration.api.adminToken = try Callback.key(Self.operatorToken)
        }
        try withApplication(clock: { clock.now }, live: .manual, configure) { first throws in
            try withApplication(clock: { clock.now }, live: .manual, configure) { second throws in
                try body(try Pair([first, second]), clock)
            }
        }
    }

    @Test(arguments: 0..<6, ["/v1/sessions/s/events", "/v1/users/u/events"])
    func `each change is told once, wherever the reader is`(seed: Int, target: String) async throws {
        try await withPair { pair, clock throws in
            var random = SeededRandom(seed: UInt64(seed))
            try pair.servers[0].report("SESSION_STARTED", "s", at: 0, extra: #","userId":"u""#)
            try pair.pull(into: 1, atMost: 10)
            var stream: EventStream? = try EventStream(pair.servers[0], target).opened()
            var id = stream?.lastEventId
            var here = 0
            // Which fact was received when: everything is received at a time of its own.
            var facts: [String: Int] = [:]
            var told: [Int] = []
            func read(_ event: ReceivedEvent?) throws {
                let at = try #require(event?.data.string("at"))
                told.append(try #require(facts[at], "\(at)"))
            }
            for fact in 0..<60 {
                for receiver in [[0], [1], [0, 1], [1, 0]][random.below(4)] {
                    clock.advance(seconds: 1)
                    facts[clock.now.rfc3339] = fact
                    try pair.servers[receiver].report("SESSION_X", "s", at: Int64(fact))
                }
                if random.below(3) == 0 { try pair.pull(into: random.below(2), atMost: 1 + random.below(4)) }
                guard random.below(4) == 0 else { continue }
                if let open = stream {
                    // Some of what it was told is not read: then it has not been seen.
                    id = open.lastEventId
                    stream = nil
                } else {
                    here = random.below(2)
                    // Where it goes has all that it has seen.
                    try pair.pull(into: here, atMost: 1_000)
                    let reader = try EventStream(pair.servers[here], target, after: id)
                    let seen = Set(told)
                    let known = try knownFacts(pair.stores[here], facts)
                    for _ in 0..<random.below(known.subtracting(seen).count + 1) { try read(reader.next()) }
                    id = reader.lastEventId
                    stream = reader
                }
            }
            id = stream?.lastEventId ?? id
            stream = nil
            for index in 0..<2 { try pair.pull(into: index, atMost: 1_000) }
            let reader = try EventStream(pair.servers[1 - here], target, after: id)
            for _ in 0..<(60 - told.count) { try read(reader.next()) }
            #expect(told.sorted() == Array(0..<60))
        }
    }

    private func knownFacts(_ store: DiskSessionStore, _ facts: [String: Int]) throws -> Set<Int> {
        var known = Set<Int>()
        try store.scanLog(after: 0) { (entry) throws(StoreError) in
            if let fact = facts[entry.receivedAt.rfc3339] { known.insert(fact) }
            return true
        }
        return known
    }

    @Test func `ids and cursors are frontiers, and go on at the other receiver`() async throws {
        try await withPair { pair, clock throws in
            for server in 0..<2 {
                for second in 0..<3 {
                    clock.advance(seconds: 1)
                    try pair.servers[server].report("SESSION_X", "s\(server)", at: Int64(second))
                }
            }
            for index in 0..<2 { try pair.pull(into: index, atMost: 10) }
            let first = try pair.servers[0].get("/v1/log?limit=4", token: Self.operatorToken)
            #expect(first.status == 200)
            let cursors = first.text.split(separator: "\n").map { line in
                try? CanonicalJSON(parsing: Array(line.utf8)).string("cursor")
            }
            #expect(cursors == ["a1", "a2", "a3", "a3.b1"])
            let second = try pair.servers[1].get("/v1/log?after=a3.b1", token: Self.operatorToken)
            let bodies = second.text.split(separator: "\n").compactMap { line in
                try? CanonicalJSON(parsing: Array(line.utf8)).string("cursor")
            }
            #expect(bodies == ["a3.b2", "a3.b3"])
            let unknown = try pair.servers[1].get("/v1/log?after=c1", token: Self.operatorToken)
            #expect(unknown.problem == "other-history")
            let stream = try EventStream(pair.servers[1], "/v1/sessions/s0/events", after: "c1")
            #expect(try stream.next()?.type == "reset")
        }
    }
}
