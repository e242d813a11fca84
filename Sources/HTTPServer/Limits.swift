/// Every bound of the server in one place. Each has a default that suits a small public service.
///
/// Times are in seconds and measured on the monotonic clock; a fraction is allowed.
package struct Limits: Sendable {
    /// Connections open at once, over all workers. At the bound the longest idle connection makes room, or the one
    /// that has been sending its head the longest; without either the newcomer is answered 503. `start` lowers it to what
    /// the descriptor limit of the process allows.
    package var connectionsMax = 20_000
    /// Connections taken from one listener in one turn of a worker's loop.
    package var acceptsPerTurnMax = 64
    /// Length of the kernel's queue of connections that nobody has accepted yet.
    package var backlog = 1024

    /// Bytes of a method name; longer ones are answered 501 (RFC 9112 section 3), and 400 when they are longer than
    /// `targetBytesMax` as well.
    package var methodBytesMax = 32
    /// Bytes of a request-target; longer ones are answered 414.
    package var targetBytesMax = 8_192
    /// Bytes of all header fields together, line ends included; more are answered 431.
    package var headerBytesMax = 16_384
    /// Number of header fields; more are answered 431.
    package var headerCountMax = 100
    /// Empty lines that are skipped before a request line (RFC 9112 section 2.2).
    package var leadingEmptyLinesMax = 1
    /// Bytes of all chunk extensions of one message together.
    package var chunkExtensionBytesMax = 1_024
    /// Bytes of the trailer section of one message.
    package var trailerBytesMax = 4_096
    /// Bytes of a body that is read to its end, so that the connection can live on, although its request was refused.
    package var refusedBodyBytesMax = 65_536

    /// Bytes of requests that are not complete, or wait behind one that is being answered, over all connections. Where it is
    /// near, a body is answered 503, unless it may displace others: then who has been sending the longest is.
    package var requestBytesMax = 64 << 20

    /// From the first byte of a head (or from accepting the connection) to its last.
    package var headerTimeoutSeconds = 10.0
    /// From the end of the head to the end of the body.
    package var bodyTimeoutSeconds = 60.0
    /// The time over which the minimum rates of a body and of a response are measured.
    package var rateWindowSeconds = 5.0
    /// Bytes a second that a body must come in with, measured over each `rateWindowSeconds`.
    package var bodyBytesPerSecondMin = 128
    /// Bytes a second that the peer must take of a response that waits for it, over each `rateWindowSeconds`.
    package var responseBytesPerSecondMin = 128
    /// How long a connection may wait for its next request.
    package var idleTimeoutSeconds = 75.0
    /// How long a handler may take to answer before the server answers 503 for it.
    package var handlerSeconds = 90.0
    /// How long a server that stops waits for the first request of a connection that it has accepted.
    package var drainGraceSeconds = 1.0
    /// How long a closing connection waits for its peer to close as well.
    package var lingerSeconds = 5.0
    /// Bytes that a closing connection reads and throws away, so that its last answer is not lost to a reset.
    package var lingerBytesMax = 1_048_576
    /// How long accepting pauses when the process or the machine is out of descriptors.
    package var acceptPauseSeconds = 0.1

    /// Bytes that a `ResponseStream` may hold for a peer that does not read; beyond it the stream is aborted.
    package var streamBufferBytesMax = 262_144
    /// Bytes that all of them may hold together; beyond it a stream that holds more than a little is aborted.
    package var streamBytesMax = 64 << 20
    /// Bytes read from one connection before the other connections get their turn.
    package var readBytesPerTurnMax = 262_144
    /// Requests that one connection has answered before the other connections get their turn.
    package var requestsPerTurnMax = 64
    /// How long it may go on with them.
    package var turnSecondsMax = 0.001

    package init() {}
}
