import Base
import Logging
import Replication
import SessionStore

/// What a receiver does for the others once a second, until it stops. What cannot be done is done later.
final class RepeatedWork: Sendable {
    private let complaint: Logger.Message
    private let logger: Logger
    private let repeated = RepeatedTask()

    /// - Parameter complaint: for the log, where the work fails for another reason than that the database or the store is
    ///   away.
    init(_ complaint: Logger.Message, logger: Logger) {
        self.complaint = complaint
        self.logger = logger
    }

    func start(_ body: @escaping @Sendable () async throws -> Void) {
        repeated.start(every: .seconds(1)) { [complaint, logger] in
            do {
                try await body()
            } catch let error as StoreError where error.code == .catchingUp || error.code == .closed {
            } catch is PostgresError {
            } catch {
                logger.warning(complaint, metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Waits for what is under way.
    func stop() async { await repeated.stop() }
}
