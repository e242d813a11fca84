import HTTPClient
import PostgresTestSupport
import Receiver
import SessionModel
import Testing

/// Two receivers on one database, over HTTP.
@Suite(.enabled(if: PostgresServer.isInstalled), .serialized) struct SharedLogAnswerTests {
    private let receivers = SharedReceivers()

    @Test func `what one receiver has acknowledged the other one shows`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            try receivers.with("a", database) { a in
                try receivers.with("b", database) { b in
                    try receivers.warmUp(a)
                    for number in 0..<50 {
                        try a.expectReplicated(Callback.body("SESSION_STARTED", "s\(number)"))
                        let shown = try b.get("/v1/sessions/s\(number)")
                        #expect(shown.status == 200)
                        #expect(shown.field("Chargefold-Consistency") == nil)
                        // Byte for byte the same record.
                        #expect(shown.body == (try a.get("/v1/sessions/s\(number)").body))
                    }
                }
            }
        }
    }

    @Test func `a wait and a stream show at least what another receiver has acknowledged`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            try receivers.with("a", database) { a in
                try receivers.with("b", database) { b in
                    try receivers.warmUp(a)
                    try receivers.warmUp(b)
                    for number in 0..<50 {
                        let path = "/v1/sessions/w\(number)"
                        try a.expectReplicated(Callback.body("SESSION_STARTED", "w\(number)"))
                        // A stream of a session that is not here yet would be 404.
                        if number % 10 == 0 {
                            let stream = try EventStream(b, path + "/events").opened()
                            withExtendedLifetime(stream) {}
                        }
                        // The end of a wait that has nothing to wait for: the others are asked, or it would be 404.
                        #expect(try b.get(path + "?wait=0ms&version=0").status == 200)
                        let body = Callback.body("SESSION_STOPPED", "w\(number)", at: "2025-06-12T11:00:00Z")
                        try a.expectReplicated(body)
                        let waited = try b.get(path + "?wait=0ms&version=1")
                        #expect(waited.status == 200, "304 would be older than what was acknowledged")
                        #expect(waited.json?.string("sessionStatus") == "STOPPED")
                    }
                }
            }
        }
    }

    @Test func `operators see who accepts callbacks, and who has ended`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            func accepting(_ server: RunningServer) throws -> [String: Bool] {
                let list = try server.operate("GET", "/v1/receivers").json?.member("receivers")?.elements ?? []
                return list.reduce(into: [:]) { $0[$1.string("name") ?? ""] = $1.member("accepting")?.bool }
            }
            try receivers.with("a", database) { a in
                try receivers.with("b", database) { _ in
                    try eventually("both accept") { try accepting(a) == ["a": true, "b": true] }
                    // It is asked for with each look at the others.
                    try eventually("the standbys are known") {
                        let shared = try a.operate("GET", "/v1/overview").json?.member("sharedLog")
                        #expect(shared?.member("reachable")?.bool == true)
                        return shared?.member("synchronousStandbys")?.integer == 0
                    }
                }
                try eventually("one has said that it ends") { try accepting(a) == ["a": true, "b": false] }
            }
        }
    }

    @Test func `operators see which tokens differ, and nothing of a token`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            func differing(_ server: RunningServer, _ name: String) throws -> [String] {
                let receivers = try server.operate("GET", "/v1/receivers").json?.member("receivers")?.elements ?? []
                let found = receivers.first { $0.string("name") == name }?.member("differingSecrets")?.elements ?? []
                return found.compactMap(\.string)
            }
            let token = try NamedSecret(name: "app", value: Callback.key("the-token-of-the-app"))
            let changed = try NamedSecret(name: "app", value: Callback.key("the-token-of-the-app"), scopes: [.act])
            try receivers.with("a", database, change: { $0.api.tokens = [token] }) { a in
                try receivers.with("b", database, change: { $0.api.tokens = [changed] }) { b in
                    try eventually("each sees it of the other one") {
                        try differing(a, "b") == ["api.tokens app"] && differing(b, "a") == ["api.tokens app"]
                    }
                    #expect(
                        try receivers.query(database) {
                            "select count(*) from \($0).receivers where position('the-token' in fingerprints) > 0"
                        } == "0")
                }
            }
        }
    }

    @Test func `without the database everything goes on, and says so`() async throws {
        let database = try PostgresServer()
        try await onThread { [receivers] in
            let change: @Sendable (inout ReceiverConfiguration) throws -> Void = {
                $0.replication.localAfterMilliseconds = 200
            }
            try receivers.with("a", database, change: change) { a in
                try receivers.with("b", database, change: change) { b in
                    try receivers.warmUp(a)
                    try database.stop()
                    let answer = try a.post(Callback.body("SESSION_STARTED", "away"))
                    #expect(answer.status == 200)
                    #expect(answer.text.contains(#""durability":"local""#))
                    let shown = try a.get("/v1/sessions/away")
                    #expect(shown.status == 200)
                    #expect(shown.field("Chargefold-Consistency") == "local")
                    // It was durable here alone.
                    #expect(try a.get("/v1/sessions/away/facts").text.contains(#""durability":"local""#))
                    let waited = try a.get("/v1/sessions/away?wait=1ms&version=0")
                    #expect(waited.field("Chargefold-Consistency") == "local")
                    #expect(try a.get("/readyz", token: nil).status == 200)
                    try database.start()
                    try receivers.warmUp(a, "again")
                    try eventually("the other one has it") { try b.get("/v1/sessions/away").status == 200 }
                    for server in [a, b] {
                        try eventually("it is told so") {
                            let facts = try server.get("/v1/sessions/away/facts").text
                            return facts.contains(#""durability":"replicated""#)
                                && !facts.contains(#""durability":"local""#)
                        }
                    }
                }
            }
        }
    }
}
