/// One connection, confined to its worker's thread.
final class Connection {
    enum Phase: UInt8 {
        /// Waits for a request or for more of it.
        case reading
        /// A handler has the request.
        case handling
        /// A `ResponseStream` is open.
        case streaming
        /// The last answer is on its way; then the connection closes.
        case closing
        /// The sending side is shut; what still comes in is thrown away.
        case lingering
        case closed
    }

    let descriptor: Int32
    let slot: Int
    let generation: UInt32
    var phase = Phase.reading
    var parser: RequestParser
    /// Bytes from the start of an incomplete message on, or pipelined messages that wait.
    var input = InputBuffer()
    var pending = PendingOutput()
    /// Number of the request that a handler has; 0 for none.
    var serial: UInt64 = 0
    var stream: StreamCore?
    /// See `Exchange.whenPeerCloses`.
    var onPeerClosed: (@Sendable () -> Void)?
    /// The answer to a refused request whose body is still coming in.
    var refusal: Response?

    /// There may be bytes in the kernel: set by an edge, cleared by a short read.
    var mayRead = false
    var sawHalfClose = false
    var peerClosed = false
    /// A system call failed for good; to be closed at the end of the turn.
    var isBroken = false
    /// Complete requests so far.
    var requestCount = 0
    var isQueuedForTurn = false
    var isShed = false

    /// A request is complete, so the end of the turn starts a deadline anew, whatever its kind: taking the old one out
    /// here and putting the new one in there would be the same work twice a request.
    var deadlineIsOver = false

    // Of the request that is being answered.
    var keepsAlive = true
    var isHead = false
    var minorVersion: UInt8 = 1

    /// Bytes read and bytes given to the kernel or put into `pending`, since the connection was accepted.
    var receivedBytes = 0
    var queuedBytes = 0
    /// What they were when the rate was looked at last.
    var rateMark = 0
    /// When the body has to be complete, on the monotonic clock.
    var bodyDeadline: UInt64 = 0
    var lingerBytes = 0

    /// Bytes of `input` that count among those of all connections of the worker, and which hold of them it is; 0 for none.
    var heldBytes = 0
    var holdNumber: UInt64 = 0
    /// See `Admission.accept`.
    var mayDisplace = false
    /// What the handler has left with its admission.
    var route: Int?

    /// Whether nothing of its next request has come.
    var isSilent: Bool { parser.isAtStart && input.isEmpty }

    init(descriptor: Int32, slot: Int, generation: UInt32, limits: ParserLimits) {
        self.descriptor = descriptor
        self.slot = slot
        self.generation = generation
        parser = RequestParser(limits: limits)
    }
}
