import Base
import Logging
import PostgresTestSupport
import Replication
import Testing

/// A receiver without its server: a directory and its shared log.
final class Station: Sendable {
    let name: String
    let log: LogInMemory
    let memory: MemoryInMemory
    let shared: SharedLog

    init(
        _ name: String, _ url: String, schema: String, log: LogInMemory = LogInMemory(),
        memory: MemoryInMemory = MemoryInMemory(), change: (inout SharedLogSettings) -> Void = { _ in }
    ) throws {
        self.name = name
        self.log = log
        self.memory = memory
        var settings = SharedLogSettings(postgres: try PostgresSettings(url: url), name: name)
        settings.schema = schema
        settings.localAfterMilliseconds = 60_000
        change(&settings)
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        shared = try SharedLog(settings, log: log, memory: memory, logger: logger)
    }

    /// The same directory in another process.
    func restarted(_ url: String, schema: String, change: (inout SharedLogSettings) -> Void = { _ in }) throws
        -> Station
    {
        try Station(name, url, schema: schema, log: log, memory: memory, change: change)
    }

    /// Receives one and says how it was acknowledged.
    func receive(_ bodies: String...) async -> Durability {
        let (origin, sequence) = log.receive(bodies)
        return await withCheckedContinuation { continuation in
            shared.whenShipped(sequence, of: origin) { continuation.resume(returning: $0) }
        }
    }

    func read() async -> SharedLog.Consistency {
        await withCheckedContinuation { continuation in
            shared.whenCurrent { continuation.resume(returning: $0) }
        }
    }
}

/// Waits until something holds that others bring about; fails where that takes unreasonably long.
func eventually(
    _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ holds: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(120)
    while ContinuousClock.now < end {
        if try await holds() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record(what, sourceLocation: sourceLocation)
}

/// A name for a schema that no other test has.
func newSchema() -> String { "t" + Identity.random().description }
