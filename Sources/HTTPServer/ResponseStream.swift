import Base
import Synchronization

/// A response that is written piece by piece, from any thread. Dropping the last reference without `finish` aborts it.
package final class ResponseStream: Sendable {
    private let core: StreamCore

    init(core: StreamCore) {
        self.core = core
    }

    deinit { core.end(.aborted) }

    /// Adds bytes to the stream.
    /// - Returns: false when the stream is closed, or was aborted because more than `Limits.streamBufferBytesMax`
    ///   would wait for a peer that does not read.
    @discardableResult
    package func write(_ bytes: [UInt8]) -> Bool { core.write(bytes) }

    /// Bytes that may wait; see `write`.
    package var bufferBytesMax: Int { core.bufferBytesMax }

    /// Bytes that the kernel has not taken yet.
    package var bufferedBytes: Int { core.bufferedBytes }

    package var isClosed: Bool { core.isClosed }

    /// Ends the stream after everything written; the connection can be used again.
    package func finish() { core.end(.finished) }

    /// Ends the stream by closing the connection, so that the peer knows that something is missing.
    package func abort() { core.end(.aborted) }

    /// Sets what is called once when the stream has ended for whatever reason: on the worker's thread, or at once when
    /// it has ended already.
    package func onClose(_ body: @escaping @Sendable () -> Void) { core.setOnClose(body) }

    /// Returns when everything written has been taken by the kernel, or the stream is over. A peer that takes too
    /// little of it is closed (`Limits.responseBytesPerSecondMin`), and not waited for.
    package func drained() async { await core.drained() }
}

/// The shared part of a stream: the writers' side is under the lock, the worker takes from it.
final class StreamCore: Sendable {
    enum End: Sendable { case open, finished, aborted }

    private struct State {
        var pieces: [[UInt8]] = []
        var pieceBytes = 0
        /// Bytes that the worker has taken and the kernel has not.
        var unsentBytes = 0
        /// What of them counts among the bytes of all streams.
        var countedBytes = 0
        var end = End.open
        var isClosed = false
        var isPosted = false
        var onClose: (@Sendable () -> Void)?
        var awaitingDrain: [CheckedContinuation<Void, Never>] = []
    }

    let worker: Worker
    let slot: Int
    let serial: UInt64
    let endsAtHalfClose: Bool
    let bufferBytesMax: Int
    private let state = Locked(State())

    init(worker: Worker, slot: Int, serial: UInt64, bufferBytesMax: Int, endsAtHalfClose: Bool) {
        self.worker = worker
        self.slot = slot
        self.serial = serial
        self.bufferBytesMax = bufferBytesMax
        self.endsAtHalfClose = endsAtHalfClose
    }

    var bufferedBytes: Int { state.withLock { $0.pieceBytes + $0.unsentBytes } }
    var isClosed: Bool { state.withLock { $0.isClosed || $0.end != .open } }

    func write(_ bytes: [UInt8]) -> Bool {
        let (taken, mustPost) = state.withLock { state -> (Bool, Bool) in
            guard !state.isClosed, state.end == .open else { return (false, false) }
            guard !bytes.isEmpty else { return (true, false) }
            let held = state.pieceBytes + state.unsentBytes
            let fits =
                held + bytes.count <= bufferBytesMax && (held <= Self.alwaysHeldBytes || allHaveRoom(bytes.count))
            if fits {
                state.pieces.append(bytes)
                state.pieceBytes += bytes.count
            } else {
                state.end = .aborted
                state.pieces = []
                state.pieceBytes = 0
            }
            count(&state)
            defer { state.isPosted = true }
            return (fits, !state.isPosted)
        }
        if mustPost { worker.postStream(self) }
        return taken
    }

    /// Of any one stream; less than that is not worth aborting it.
    private static let alwaysHeldBytes = 65_536

    private func allHaveRoom(_ bytes: Int) -> Bool {
        worker.shared.streamBytes.load(ordering: .relaxed) + bytes <= worker.limits.streamBytesMax
    }

    private func count(_ state: inout State) {
        let bytes = state.pieceBytes + state.unsentBytes
        worker.shared.streamBytes.add(bytes - state.countedBytes, ordering: .relaxed)
        state.countedBytes = bytes
    }

    func end(_ end: End) {
        let mustPost = state.withLock { state -> Bool in
            guard !state.isClosed, state.end == .open || state.end == .finished && end == .aborted else { return false }
            // Dropping the handle of a finished stream is no abort.
            if state.end == .finished { return false }
            state.end = end
            defer { state.isPosted = true }
            return !state.isPosted
        }
        if mustPost { worker.postStream(self) }
    }

    func setOnClose(_ body: @escaping @Sendable () -> Void) {
        let isClosed = state.withLock { state -> Bool in
            if !state.isClosed { state.onClose = body }
            return state.isClosed
        }
        if isClosed { body() }
    }

    func drained() async {
        await withCheckedContinuation { continuation in
            let isDrained = state.withLock { state -> Bool in
                if state.isClosed || state.pieceBytes + state.unsentBytes == 0 { return true }
                state.awaitingDrain.append(continuation)
                return false
            }
            if isDrained { continuation.resume() }
        }
    }

    /// The worker's side: everything written since the last call.
    func take() -> (pieces: [[UInt8]], byteCount: Int, end: End) {
        state.withLock { state in
            state.isPosted = false
            defer {
                state.pieces = []
                state.unsentBytes += state.pieceBytes
                state.pieceBytes = 0
            }
            return (state.pieces, state.pieceBytes, state.end)
        }
    }

    /// The worker's side: what is left with the worker after it sent.
    func didSend(unsentBytes: Int) {
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.unsentBytes = unsentBytes
            count(&state)
            guard unsentBytes == 0, state.pieceBytes == 0 else { return [] }
            defer { state.awaitingDrain = [] }
            return state.awaitingDrain
        }
        for continuation in waiting { continuation.resume() }
    }

    /// The worker's side: the stream is over.
    func close() {
        let (onClose, waiting) = state.withLock {
            state -> ((@Sendable () -> Void)?, [CheckedContinuation<Void, Never>]) in
            guard !state.isClosed else { return (nil, []) }
            state.isClosed = true
            state.pieces = []
            state.pieceBytes = 0
            state.unsentBytes = 0
            count(&state)
            defer { state.awaitingDrain = [] }
            return (state.onClose.take(), state.awaitingDrain)
        }
        onClose?()
        for continuation in waiting { continuation.resume() }
    }
}
