import Base
import CSQLite
import Compression
import HTTPClient
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import TestSupport
import Testing

/// What is answered when nothing can be made durable, over a real socket: never 200, and always when to try again.
@Suite struct StoreFailureTests {
    private let body = Callback.body("SESSION_STARTED")

    private func expect(
        _ answer: ClientResponse, _ problem: String, retryAfter: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(answer.status == 503, sourceLocation: sourceLocation)
        #expect(answer.problem == problem, "\(answer.text)", sourceLocation: sourceLocation)
        #expect(answer.field("Retry-After") == retryAfter, sourceLocation: sourceLocation)
    }

    @Test func `a commit that fails: 503, and the next one that works: 200`() throws {
        let store = FakeStore(.fails(FakeStore.diskFull))
        try withReceiver(store) { server, _ throws in
            expect(try server.post(body), "store-unavailable", retryAfter: "5")
            #expect(try server.get("/v1/sessions/S1").status == 404, "nothing was taken")
            store.behave(.works)
            #expect(try server.post(body).json?.string("outcome") == "accepted")
            #expect(server.features.metrics.unavailable.value == 1)
            #expect(server.features.metrics.accepted.value == 1)
            let line = try #require(server.log.lines("callback refused").first)
            #expect(line.string("status") == "503")
            #expect(line.string("reason") == "UNAVAILABLE")
        }
    }

    @Test func `a full queue: 503 and soon again`() throws {
        var options = LedgerOptions()
        options.verifiedQueueCountMax = 0
        try withReceiver(FakeStore(.isFull), ledger: options) { server, _ throws in
            expect(try server.post(body), "overloaded", retryAfter: "1")
            let invalid = try server.post(Array("{}".utf8))
            expect(invalid, "overloaded", retryAfter: "1")
            #expect(try server.quarantine().isEmpty)
            #expect(server.features.metrics.unavailable.value == 2)
            #expect(server.log.lines("callback refused").map { $0.string("reason") } == ["QUEUE_FULL", "QUEUE_FULL"])
        }
    }

    @Test func `while sessions are made again, callbacks are taken and queries are not answered`() throws {
        let store = FakeStore(.works)
        try withReceiver(store) { server, _ throws in
            store.catchUp(true)
            #expect(try server.post(body).status == 200)
            for path in ["/v1/sessions/A", "/v1/users/u/sessions", "/v1/fees", "/v1/events"] {
                expect(try server.get(path), "sessions-catching-up", retryAfter: "5")
            }
            let ready = try server.get("/readyz")
            #expect(ready.status == 200)
            #expect(String(decoding: ready.body, as: UTF8.self) == #"{"status":"ready","sessions":"catching-up"}"#)
            #expect(try server.get("/healthz").status == 200)
            store.catchUp(false)
            #expect(try server.get("/v1/sessions/A").status != 503)
            #expect(String(decoding: try server.get("/readyz").body, as: UTF8.self) == #"{"status":"ready"}"#)
        }
    }

    @Test func `while callbacks wait, queries make way for them`() throws {
        let store = FakeStore(.works)
        try withReceiver(store) { server, _ throws in
            store.press(true)
            let refused = try server.get("/v1/sessions/A")
            expect(refused, "yielding-to-callbacks", retryAfter: "1")
            #expect(try server.post(body).status == 200)
            #expect(try server.get("/healthz").status == 200)
            #expect(try server.get("/readyz").status == 200)
            #expect(server.features.metrics.shedQueries.value == 1)
            store.press(false)
            #expect(try server.get("/v1/sessions/A").status != 503)
        }
    }

    @Test func `a failure that is told as a full queue is one`() throws {
        try withReceiver(FakeStore(.fails(StoreError(.queueFull, "too much")))) { server, _ throws in
            expect(try server.post(body), "overloaded", retryAfter: "1")
        }
    }

    @Test func `what can't be kept in quarantine is not refused with 400`() throws {
        let faults = Faults("ledger.sqlite")
        var options = LedgerOptions()
        options.virtualFileSystem = faults.name
        try withReceiver(FakeStore(), ledger: options) { server, _ throws in
            faults.failWrites(Faults.wal, SQLITE_FULL)
            expect(try server.post(Array("{}".utf8)), "store-unavailable", retryAfter: "5")
            expect(try server.post(body, contentType: "text/plain"), "store-unavailable", retryAfter: "5")
            expect(try server.post(body, fields: [("Content-Encoding", "br")]), "store-unavailable", retryAfter: "5")
            // Of an unverified body nothing was promised.
            #expect(try server.post(body, secret: "some-other-secret").status == 403)
            // What is an event needs no ledger.
            #expect(try server.post(body).status == 200)
        }
    }

    @Test func `reads that fail: 503`() throws {
        let store = FakeStore()
        try withReceiver(store, access: .operators()) { server, _ throws in
            #expect(try server.post(body).status == 200)
            store.failReads(StoreError(.damaged, "the disk is broken at /some/place"))
            server.features.ledger.closeAndWait()
            for target in ["/v1/sessions/S1", "/v1/sessions/S1/facts", "/v1/quarantine", "/v1/quarantine/1"] {
                let answer = try server.get(target)
                expect(answer, "store-unreadable", retryAfter: "5")
                #expect(!answer.text.contains("/some/place"), "the store's words are for the operator")
            }
            store.failReads(StoreError(.queueFull, "too many queries"))
            expect(try server.get("/v1/sessions/S1"), "overloaded", retryAfter: "1")
            store.failReads(nil)
            #expect(try server.get("/v1/sessions/S1").status == 200)
        }
    }

    @Test func `a log that can't be read to its end ends broken`() throws {
        let store = FakeStore()
        try withReceiver(store, access: .operators()) { server, _ throws in
            #expect(try server.post(body).status == 200)
            store.failReads(FakeStore.diskFull)
            #expect(throws: HTTPClientError.self) { try server.get("/v1/log") }
        }
    }
}
