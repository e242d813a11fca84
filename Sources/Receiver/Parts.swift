import Base
import Logging
import SessionStore
import Synchronization

/// Something that is started and stopped with the application.
struct Part: Sendable {
    let name: String
    /// Whether it can begin only once everything that the log held is folded.
    var needsSessions = false
    var start: @Sendable () async throws -> Void = {}
    /// May come without a start, and more than once.
    var stop: @Sendable () async -> Void = {}
}

/// What an application is made of: a list, started from its beginning and stopped from its end.
final class Parts: Sendable {
    /// What is on one line stops beside each other: a disk that does not answer must not keep clients waiting.
    private let lines: [[Part]]
    private let store: any SessionStore
    private let logger: Logger
    private let isStopping = Atomic(false)

    init(_ lines: [[Part]], store: any SessionStore, logger: Logger) {
        self.lines = lines
        self.store = store
        self.logger = logger
    }

    /// Line by line.
    var names: [[String]] { lines.map { $0.map(\.name) } }

    /// - Throws: what a part throws; those before it are stopped again.
    func start() async throws {
        let isCatchingUp = store.isCatchingUp
        var postponed: [Part] = []
        for (index, line) in lines.enumerated() {
            for part in line {
                if part.needsSessions, isCatchingUp {
                    postponed.append(part)
                    continue
                }
                do {
                    try await start(part)
                } catch {
                    await stop(lines[..<index])
                    throw error
                }
            }
        }
        guard !postponed.isEmpty else { return }
        store.whenCaughtUp { [self, postponed] in
            Task(executorPreference: BackgroundExecutor.shared) { [self] in
                // What is stopping does not begin now.
                for part in postponed where !isStopping.load(ordering: .relaxed) {
                    do { try await start(part) } catch {
                        logger.error("could not start", metadata: ["part": "\(part.name)", "reason": "\(error)"])
                    }
                }
            }
        }
    }

    private func start(_ part: Part) async throws {
        logger.debug("starting", metadata: ["part": "\(part.name)"])
        try await part.start()
    }

    /// Returns when all is stopped.
    func stop() async {
        isStopping.store(true, ordering: .relaxed)
        await stop(lines[...])
    }

    private func stop(_ lines: ArraySlice<[Part]>) async {
        for line in lines.reversed() {
            await withTaskGroup(of: Void.self) { group in
                for part in line {
                    // Some block for as long as clients may take.
                    group.addTask(executorPreference: BackgroundExecutor.shared) { [logger] in
                        logger.debug("stopping", metadata: ["part": "\(part.name)"])
                        await part.stop()
                    }
                }
            }
        }
    }
}
