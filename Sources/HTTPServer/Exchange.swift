/// The right to answer one request. A small value that may be handed to any thread.
///
/// The first answer counts; later ones, and those that come after the connection has gone, are dropped without harm.
/// A request that nobody answers is answered 503 at `Limits.handlerSeconds`.
package struct Exchange: Sendable {
    let worker: Worker
    let slot: Int
    /// Tells this request from every other one of the worker.
    let serial: UInt64
    /// What `RequestHandler.admit` has left for `handle`.
    package let route: Int?
    /// Applied to the answer before it is sent, on the thread that answers: for what depends on the request and not on
    /// the resource, such as a content coding. Not applied to streams.
    package var transform: (@Sendable (consuming Response) -> Response)?

    /// Sees the head of the answer just before it is sent, a stream's too, on the thread that answers; may add fields.
    package var observe: (@Sendable (inout Response) -> Void)?

    init(worker: Worker, slot: Int, serial: UInt64, route: Int? = nil) {
        self.worker = worker
        self.slot = slot
        self.serial = serial
        self.route = route
    }

    /// Answers. On the worker's own thread during `handle` the answer leaves with the turn; from elsewhere it goes
    /// through the worker's inbox.
    package func respond(_ response: consuming Response) {
        if let transform { response = transform(response) }
        observe?(&response)
        if worker.isCurrentThread {
            worker.respondOnWorker(slot, serial, response)
        } else if let batch = ResponseBatch.current {
            batch.pointee.add(self, response)
        } else {
            worker.inbox.post(.respond(slot, serial, response))
        }
    }

    /// Sets what is called, once, when the peer closes its sending side or has gone before there is an answer: what is worth
    /// waiting for only while somebody does can be answered then. Call it during `handle`, on the worker's own thread, which
    /// is also where `body` is called, at once where the peer has closed already.
    package func whenPeerCloses(_ body: @escaping @Sendable () -> Void) {
        worker.watchPeer(slot, serial, body)
    }

    /// The address of whoever is at the other end of the connection, without a port: `127.0.0.1`, `::1`, `unix`; nil where it
    /// has gone. Call it during `handle`, on the worker's own thread.
    package var peer: String? { worker.peer(slot, serial) }

    /// Answers with a body whose length is not known yet: chunked, or up to the end of the connection for HTTP/1.0.
    /// - Parameters:
    ///   - head: status and fields; its body is the first piece of the stream.
    ///   - endsAtHalfClose: whether the stream ends when the peer closes its sending side. Right for live streams,
    ///     whose readers go without a word; wrong for downloads.
    package func stream(_ head: consuming Response, endsAtHalfClose: Bool = false) -> ResponseStream {
        let core = StreamCore(
            worker: worker, slot: slot, serial: serial, bufferBytesMax: worker.limits.streamBufferBytesMax,
            endsAtHalfClose: endsAtHalfClose)
        observe?(&head)
        if worker.isCurrentThread {
            worker.openStreamOnWorker(core, head)
        } else if !worker.inbox.post(.openStream(core, head)) {
            core.close()
        }
        return ResponseStream(core: core)
    }
}
