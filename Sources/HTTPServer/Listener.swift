/// A listening socket.
struct Listener: Sendable {
    let descriptor: Int32
    /// Watched by every worker and closed by the server; otherwise the worker's own.
    let isShared: Bool
}
