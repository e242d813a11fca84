internal import Base
internal import Dispatch

/// Tells other receivers that there is something to pull, and hears it from them. A hint and no more: whoever misses it
/// looks by himself soon.
///
/// A notification is a transaction of its own over this connection, after the commit that it is about and never in it: in
/// the commit it would make all receivers' commits wait for each other. It is not durable, so it waits for no standby.
actor Hints {
    /// At most one notification in so many milliseconds.
    private static let notifyMilliseconds = 3
    private static let lookMilliseconds = 1_000

    private let executor = QueueExecutor(label: "chargefold.replication.hints", qos: .userInitiated)
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let shared: SharedLogContext
    private let onHint: @Sendable () -> Void
    /// One for each shared log of a database.
    private let channel: String
    private let wanted = Interruption()
    private var connection: PostgresConnection?

    init(_ shared: SharedLogContext, onHint: @escaping @Sendable () -> Void) {
        self.shared = shared
        self.onHint = onHint
        channel = shared.settings.schema + "_shipped"
    }

    /// From any thread: there is something for others.
    nonisolated func tell() { wanted.raise() }

    /// Until the task is cancelled.
    func run() async {
        var pause = Pause()
        while !Task.isCancelled {
            do throws(PostgresError) {
                let connection = try shared.connect("hints", isDurable: false)
                _ = try connection.execute("listen \"\(channel)\"")
                onHint()
                pause.reset()
                try listen(connection)
            } catch {
                guard error.kind != .interrupted else { return }
                await pause.sleep()
            }
        }
    }

    private func listen(_ connection: PostgresConnection) throws(PostgresError) {
        while true {
            if try connection.waitForNotification(milliseconds: Self.lookMilliseconds, wake: wanted) { onHint() }
            guard wanted.isRaised else { continue }
            wanted.clear()
            _ = try connection.execute("select pg_notify($1::text, '')", [.text(channel)])
            // What comes meanwhile is in the next one.
            if try connection.waitForNotification(milliseconds: Self.notifyMilliseconds, wake: Interruption()) {
                onHint()
            }
        }
    }
}
