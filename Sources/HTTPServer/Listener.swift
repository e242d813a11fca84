import CLinux

/// A listening socket.
struct Listener: Sendable {
    let descriptor: Int32
    /// Watched by every worker and closed by the server; otherwise the worker's own.
    let isShared: Bool
    /// Others hold it open, too: what waits in it is for whoever comes after this server.
    let outlivesServer: Bool
}

/// Takes a connection from a listening descriptor. A value, so that tests can run out of descriptors.
typealias AcceptCall = @Sendable (Int32) -> CallResult

func systemAccept(_ listener: Int32) -> CallResult {
    System.call { Int(clinux_accept(listener, nil, nil)) }
}
