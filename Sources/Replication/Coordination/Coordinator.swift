internal import Base
internal import Dispatch

/// The connection for the few things that need one answer for all receivers: leases, claims, erasures, who is there.
///
/// A commit here may wait for a standby, so nothing that must be quick shares this connection.
actor Coordinator {
    private let executor = QueueExecutor(label: "chargefold.replication.coordinate", qos: .utility)
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let shared: SharedLogContext
    private var connection: PostgresConnection?

    init(_ shared: SharedLogContext) {
        self.shared = shared
    }

    /// Runs `work` on the connection, which is made where there is none.
    /// - Throws: also where the work takes longer than the time that its statements are given.
    func perform<Value: Sendable>(
        _ work: @Sendable (PostgresConnection) throws(PostgresError) -> Value
    ) throws(PostgresError) -> Value {
        if connection?.isUsable != true {
            connection = nil
            connection = try shared.connect("coordinate")
        }
        guard let connection else { throw PostgresError(.unreachable, "there is no connection") }
        return try work(connection)
    }

    func close() { connection = nil }
}
