import HTTPClient
import PostgresTestSupport
import Receiver
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
