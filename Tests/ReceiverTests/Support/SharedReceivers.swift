import Base
import Foundation
import HTTPClient
import PostgresTestSupport
import Receiver
import Testing

/// Receivers that share a log, of one test.
struct SharedReceivers: Sendable {
    static let adminToken = "the-operators-token-of-all-receivers"

    private let schema = "t" + Identity.random().description

    /// Runs `body` with a receiver of that name. On a thread of one's own (`onThread`).
    func with<Result>(
        _ name: String, _ database: PostgresServer, in directory: TestDirectory = TestDirectory(),
        clock: @escaping @Sendable () -> Instant = { testTime },
        reconciling timing: ReconcilerTiming = ReconcilerTiming(),
        change: @escaping @Sendable (inout ReceiverConfiguration) throws -> Void = { _ in },
        _ body: (RunningServer) throws -> Result
    ) throws -> Result {
        try withApplication(
            in: directory, clock: clock, reconciling: timing,
            { configuration in
                configuration.replication.url = try Callback.key(database.url)
                configuration.replication.name = name
                configuration.replication.schema = schema
                // The database is there: however long it takes.
                configuration.replication.localAfterMilliseconds = 60_000
                configuration.api.sealKey = try Callback.key("one seal key for all receivers")
                configuration.api.adminToken = try Callback.key(Self.adminToken)
                try change(&configuration)
            }, body)
    }

    /// Posts until one is acknowledged as replicated: the first ones may come before everything is connected.
    func warmUp(_ server: RunningServer, _ session: String = "warm") throws {
        var number = 0
        try eventually("something is acknowledged as replicated") {
            number += 1
            return try server.post(Callback.body("SESSION_STARTED", "\(session)-\(number)")).isReplicated
        }
    }

    /// How many rows of the shared log have a text in their bodies.
    func rows(naming text: String, _ database: PostgresServer) throws -> String {
        try database.query("select count(*) from \(schema).deliveries where position('\(text)'::bytea in body) > 0")
    }

    func query(_ database: PostgresServer, _ statement: (_ schema: String) -> String) throws -> String {
        try database.query(statement(schema))
    }
}

extension ClientResponse {
    var isReplicated: Bool { text.contains(#""durability":"replicated""#) }
}

extension RunningServer {
    /// Asks as an operator.
    func operate(_ method: String, _ target: String) throws -> ClientResponse {
        try get(target, method: method, token: SharedReceivers.adminToken)
    }

    func expectReplicated(_ body: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try post(body).isReplicated, sourceLocation: sourceLocation)
    }
}

/// On a thread of its own: what starts and stops a receiver waits for what runs on Swift's threads.
func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}

/// Waits until something holds that others bring about; fails where that takes unreasonably long.
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ holds: () throws -> Bool
) throws {
    let end = ContinuousClock.now + .seconds(120)
    while ContinuousClock.now < end {
        if try holds() { return }
        usleep(10_000)
    }
    Issue.record(what, sourceLocation: sourceLocation)
}
