import Base
import Foundation
import HTTPClient
import PostgresTestSupport
import Receiver
import Testing

/// Two receivers on one database, over HTTP.
@Suite(.enabled(if: PostgresServer.isInstalled), .serialized) struct SharedLogAnswerTests {
    private let schema = "t" + Identity.random().description

    /// On a thread of its own: what starts and stops a receiver waits for what runs on Swift's threads.
    private func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
        }
    }

    private func withTwo(
        _ database: PostgresServer, change: @escaping @Sendable (inout ReceiverConfiguration) -> Void = { _ in },
        _ body: (RunningServer, RunningServer) throws -> Void
    ) throws {
        func configure(_ name: String) -> (inout ReceiverConfiguration) throws -> Void {
            { [schema] configuration in
                configuration.replication.url = try Callback.key(database.url)
                configuration.replication.name = name
                configuration.replication.schema = schema
                configuration.replication.localAfterMilliseconds = 60_000
                configuration.api.sealKey = try Callback.key("one seal key for all receivers")
                change(&configuration)
            }
        }
        try withApplication(configure("a")) { a in
            try withApplication(configure("b")) { b in
                try body(a, b)
            }
        }
    }

    /// Posts until one is acknowledged as replicated: the first ones may come before everything is connected.
    private func warmUp(_ server: RunningServer, _ session: String) throws {
        let end = ContinuousClock.now + .seconds(60)
        var number = 0
        while ContinuousClock.now < end {
            number += 1
            let answer = try server.post(Callback.body("SESSION_STARTED", "\(session)-\(number)"))
            if String(decoding: answer.body, as: UTF8.self).contains(#""durability":"replicated""#) { return }
        }
        Issue.record("nothing was acknowledged as replicated")
    }

    @Test func `what one receiver has acknowledged the other one shows`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread {
            try withTwo(database) { a, b in
                try warmUp(a, "warm")
                for number in 0..<50 {
                    let answer = try a.post(Callback.body("SESSION_STARTED", "s\(number)"))
                    #expect(String(decoding: answer.body, as: UTF8.self).contains(#""durability":"replicated""#))
                    let shown = try b.get("/v1/sessions/s\(number)")
                    #expect(shown.status == 200)
                    #expect(shown.field("Chargefold-Consistency") == nil)
                    // Byte for byte the same record.
                    #expect(shown.body == (try a.get("/v1/sessions/s\(number)").body))
                }
            }
        }
    }

    @Test func `without the database everything goes on, and says so`() async throws {
        let database = try PostgresServer()
        try await onThread {
            try withTwo(database, change: { $0.replication.localAfterMilliseconds = 200 }) { a, b in
                try warmUp(a, "warm")
                try database.stop()
                let answer = try a.post(Callback.body("SESSION_STARTED", "away"))
                #expect(answer.status == 200)
                #expect(String(decoding: answer.body, as: UTF8.self).contains(#""durability":"local""#))
                let shown = try a.get("/v1/sessions/away")
                #expect(shown.status == 200)
                #expect(shown.field("Chargefold-Consistency") == "local")
                #expect(try a.get("/readyz", token: nil).status == 200)
                try database.start()
                try warmUp(a, "again")
                #expect(try b.get("/v1/sessions/away").status == 200)
            }
        }
    }
}
