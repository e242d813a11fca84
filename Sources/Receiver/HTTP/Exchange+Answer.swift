import Base
import HTTPServer

extension Exchange {
    /// Answers with what a task of its own comes to, off the event loops.
    func answer(_ work: @escaping @Sendable () async throws(Problem) -> Response) {
        Task(executorPreference: BackgroundExecutor.shared) {
            do throws(Problem) { respond(try await work()) } catch { respond(Response(error)) }
        }
    }
}
