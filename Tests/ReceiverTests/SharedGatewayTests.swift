import Base
import DriveAPI
import HTTPClient
import HTTPServer
import Ledger
import PostgresTestSupport
import SessionModel
import SessionStore
import Testing

@testable import Receiver

/// What one of several receivers does for all of them: starts once, and asks the Drive API.
@Suite(.enabled(if: PostgresServer.isInstalled), .serialized) struct SharedGatewayTests {
    private let receivers = SharedReceivers()

    private static func start(
        _ server: RunningServer, _ connector: String, key: String? = nil
    ) throws -> ClientResponse {
        let fields =
            [("Authorization", "Bearer \(RunningServer.token)")] + (key.map { [("Idempotency-Key", $0)] } ?? [])
        return try server.send(
            ClientRequest(
                method: "POST", target: "/v1/users/u1/sessions/start", fields: fields.map { (name: $0.0, value: $0.1) },
                body: Array(#"{"connectorId":"\#(connector)"}"#.utf8)))
    }

    @Test func `a start is made once, whichever receiver is asked`() async throws {
        let database = try PostgresServer.common.get()
        let upstream = Upstream { _, number in Upstream.json(#"{"sessionId":"S\#(number)"}"#) }
        try await onThread { [receivers] in
            try withUpstream(upstream) { url in
                try receivers.with("a", database, change: { try $0.use(upstream: url) }) { a in
                    try receivers.with("b", database, change: { try $0.use(upstream: url) }) { b in
                        try receivers.warmUp(a)
                        try receivers.warmUp(b)
                        let first = try Self.start(a, "c1", key: "k")
                        #expect(first.status == 200)
                        let again = try Self.start(b, "c1", key: "k")
                        #expect(again.body == first.body)
                        #expect(again.field("Idempotency-Replayed") == "true")
                        #expect(try Self.start(b, "c2", key: "k").problem == "idempotency-key-reused")
                        #expect(try Self.start(b, "c1").problem == "connector-cooldown")
                        #expect(upstream.calls.count == 1)
                        #expect(try Self.start(b, "c2", key: "k2").status == 200)
                        #expect(upstream.calls.count == 2)
                        // No person, and nothing of a request, is in the claims.
                        let claims = try receivers.query(database) {
                            "select string_agg(c::text, '') from \($0).claims c"
                        }
                        #expect(!claims.contains("u1") && !claims.contains("connectorId"))
                    }
                }
            }
        }
    }

    @Test func `one of them asks the Drive API, and the next one when it is gone`() async throws {
        let database = try PostgresServer.common.get()
        let upstream = Upstream { _, _ in Upstream.json(#"{"sessionId":"S1","sessionStatus":"STARTED"}"#) }
        let (time, timeOfB) = (ReconcilerTime(), ReconcilerTime())
        try await onThread { [receivers] in
            try withUpstream(upstream) { url in
                let change: @Sendable (inout ReceiverConfiguration) throws -> Void = {
                    try $0.use(upstream: url)
                    $0.reconciliation.enabled = true
                    $0.reconciliation.spreadSeconds = 0
                    $0.reconciliation.soonSeconds = 0
                }
                try receivers.with("b", database, reconciling: timeOfB.timing, change: change) { b in
                    try receivers.warmUp(b)
                    try receivers.with("a", database, reconciling: time.timing, change: change) { a in
                        try receivers.warmUp(a)
                        try eventually("one leads") { a.features.others.leads != b.features.others.leads }
                        try time.pass(0, a)
                        try timeOfB.pass(0, b)
                        let follower = a.features.others.leads ? b : a
                        try follower.expectReplicated(
                            Callback.body("SESSION_STARTED", "S1", extra: #","userId":"u1""#))
                        // Whoever reads strictly has folded it.
                        #expect(try a.get("/v1/sessions/S1").status == 200)
                        #expect(try b.get("/v1/sessions/S1").status == 200)
                        try time.pass(0, a)
                        try timeOfB.pass(0, b)
                        try time.pass(7_200, a)
                        try timeOfB.pass(7_200, b)
                        #expect(upstream.calls.count == 1)
                    }
                    try eventually("the other one leads") { b.features.others.leads }
                    let before = upstream.calls.count
                    try timeOfB.pass(0, b)
                    try timeOfB.pass(86_400, b)
                    try eventually("it asks") {
                        try timeOfB.pass(86_400, b)
                        return upstream.calls.count > before
                    }
                }
            }
        }
    }
}
