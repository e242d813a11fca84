import Base
import EventLog
import Ledger
import Replication
import SessionIndex
import SessionModel
import StoreTestSupport
import TestSupport
import Testing

@testable import SessionStore

/// An erasure that another receiver was asked for: by places, and by who knows the user without being told the name.
struct ErasureOfPlacesTests {
    private func event(_ name: String, _ session: String, _ user: String?, at seconds: Int64) throws -> Delivery {
        try delivery(name, session, at: seconds, extra: user.map { #","userId":"\#($0)""# } ?? "")
    }

    private func places(of user: String, in store: DiskSessionStore) async throws -> ErasedPlaces {
        try await withCheckedThrowingContinuation { continuation in
            store.placesOfUser(user) { continuation.resume(with: $0) }
        }
    }

    private func erase(
        _ places: ErasedPlaces, _ user: String, in store: DiskSessionStore
    ) async throws -> ErasureReport {
        try await withCheckedThrowingContinuation { continuation in
            store.erase(places, isUser: { $0 == user }) { continuation.resume(with: $0) }
        }
    }

    private func exchange(_ stores: [DiskSessionStore]) async throws {
        for _ in 0..<2 {
            for store in stores {
                for other in stores where other !== store {
                    for origin in other.frontier.keys {
                        let rows = try other.deliveries(
                            of: origin, after: store.frontier[origin] ?? 0, countMax: 10_000, bytesMax: 1 << 20)
                        try await store.append(rows, of: origin)
                    }
                }
            }
        }
    }

    @Test func `both receivers have the same left, and nothing names the user`() async throws {
        let directories = [TemporaryDirectory(), TemporaryDirectory()]
        let stores = try directories.map { try openStore($0) }
        let (asked, other) = (stores[0], stores[1])
        let user = "usr-9-5f2c9ea1"
        for index in 0..<10 { try await asked.ingest(try event("SESSION_STARTED", "mine\(index)", user, at: 1)) }
        try await asked.ingest(try event("SESSION_STARTED", "shared", user, at: 1))
        try await asked.ingest(try event("SESSION_STOPPED", "shared", "else", at: 2))
        try await asked.ingest(try event("SESSION_STARTED", "theirs", "else", at: 1))
        try await exchange(stores)
        // Not here yet: a fee that names nobody, and a delivery that does.
        try await other.ingest(try event("SESSION_FEE_INCURRING", "mine3", nil, at: 3))
        try await other.ingest(try event("SESSION_STOPPED", "mine4", user, at: 4))
        // Comes there after the erasure only, though it was received before.
        try await asked.ingest(try event("SESSION_STOPPED", "mine5", user, at: 5))
        try await asked.ingest(try event("SESSION_FEE_INCURRING", "mine6", nil, at: 5))

        let places = try await places(of: user, in: asked)
        let late = try asked.deliveries(
            of: asked.origin, after: other.frontier[asked.origin] ?? 0, countMax: 10, bytesMax: 1 << 20)
        #expect(late.count == 2)
        let report = try await asked.erase(user)
        #expect(report.places == places)
        #expect(places.redacted.contains(asked.origin, 11) && places.removed.contains(asked.origin, 1))
        let there = try await erase(places, user, in: other)
        #expect(there.places.removed.contains(other.origin, 1) && there.places.removed.contains(other.origin, 2))
        // What was on its way when it was erased comes without its body.
        try await other.append(late, of: asked.origin)
        try await exchange(stores)
        #expect(asked.frontier == other.frontier)
        for session in ["shared", "theirs"] + (0..<10).map({ "mine\($0)" }) {
            let records = [try await asked.record(session), try await other.record(session)]
            #expect(records[0]?.sessionJSON() == records[1]?.sessionJSON())
            #expect(records[0]?.factsJSON == records[1]?.factsJSON)
            #expect((records[0] == nil) == session.hasPrefix("mine"))
        }
        for (store, directory) in zip(stores, directories) {
            #expect(try store.check { _ in }.isClean)
            #expect(directory.files(holding: user) == [])
        }
        #expect(try await erase(places, user, in: other).deliveriesRemoved == 0)
        for store in stores { store.close() }
    }

    @Test func `places that are to come are remembered over a start`() async throws {
        let directory = TemporaryDirectory()
        var store = try openStore(directory)
        let origin = Identity(high: 4, low: 4)
        var places = ErasedPlaces()
        places.removed.insert(origin, 2...3)
        _ = try await erase(places, "nobody", in: store)
        store.close()
        store = try openStore(directory)
        defer { store.close() }
        let deliveries = (1...4).map {
            SharedDelivery(
                sequence: $0, receivedMicroseconds: 5, source: 0, body: body("SESSION_X", "s", at: Int64($0)))
        }
        try await store.append(deliveries, of: origin)
        #expect(try await store.record("s")?.received == 2)
        let shipped = try store.deliveries(of: origin, after: 0, countMax: 9, bytesMax: 1 << 20)
        #expect(shipped.map(\.source) == [0, 255, 255, 0])
        #expect(shipped[1].body.isEmpty)
    }

    @Test(arguments: 0..<10) func `a set of places is the same after it was written and read`(seed: Int) {
        var random = Seeded(UInt64(seed))
        var set = PlaceSet()
        for _ in 0..<Int.random(in: 0..<40, using: &random) {
            let start = Int64.random(in: 1..<500, using: &random)
            set.insert(
                Identity(high: 1, low: UInt64.random(in: 0..<3, using: &random)),
                start...start + Int64.random(in: 0..<9, using: &random))
        }
        #expect(PlaceSet(decoding: set.encoded) == set)
        var bytes = set.encoded
        while !bytes.isEmpty {
            bytes.removeLast()
            // No text that was cut off traps.
            _ = PlaceSet(decoding: bytes)
        }
    }
}
