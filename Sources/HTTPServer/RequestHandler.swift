/// What becomes of a request whose head has arrived.
package enum Admission: Sendable {
    /// Read the body, up to that many bytes (of content, after the transfer coding); beyond it the answer is 413. Where too
    /// many bodies are coming in, one that displaces others makes who has been sending the longest give way, and any other
    /// is answered 503; see `Limits.requestBytesMax`. `route` comes back with the exchange: what the handler has found out
    /// about the request, as a number that means something to the handler alone.
    case accept(bodyBytesMax: Int, displacesOthers: Bool = false, route: Int? = nil)
    /// Answer this. A small body is read and dropped first so that the connection can live on; otherwise it closes.
    case refuse(Response)
}

/// The application behind the server. All calls are made on a worker's thread and must not block it.
package protocol RequestHandler: Sendable {
    /// Called when the head is complete and its framing is valid, before the body is read and before a
    /// `100 Continue` is sent.
    func admit(_ head: borrowing RequestHead) -> Admission

    /// Called when the body is complete. `request` is valid only during the call: copy what you keep.
    /// Answer through `exchange`, now or later, from any thread.
    func handle(_ request: consuming Request, _ exchange: Exchange)

    /// The answer to a request that never reaches `handle`: 400, 405 (CONNECT), 408, 413, 414, 417, 431, 501, 503, 505.
    func protocolError(_ error: HTTPError) -> Response
}

extension RequestHandler {
    package func protocolError(_ error: HTTPError) -> Response {
        var body: [UInt8] = []
        body.append(
            contentsOf: #"{"status":\#(error.status),"code":"\#(error.name)","detail":"\#(error.detail)"}"#.utf8)
        body.append(UInt8(ascii: "\n"))
        return Response(status: error.status, contentType: "application/problem+json", body: body)
    }
}
