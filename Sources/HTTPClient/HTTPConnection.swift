/// Deadlines and bounds of a client.
package struct ClientOptions: Sendable {
    /// From the start of a connection to its end, TLS included.
    package var connectSeconds = 5.0
    /// From the first byte sent to the last byte received.
    package var responseSeconds = 30.0
    package var headBytesMax = 65_536
    package var bodyBytesMax = 16 << 20
    /// The issuers to trust, for https; `nil`: those of the system.
    package var tls: TLSContext?

    package init() {}
}

/// A connection that is kept alive between requests and made again when needed. Blocking; one thread at a time.
package final class HTTPConnection {
    package let endpoint: Endpoint
    private let options: ClientOptions
    private var context: TLSContext?
    private var stream: ByteStream?
    private var parser: ResponseParser
    /// The further bound of the request at hand.
    private var limit: Deadline?
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)

    /// Connects with the first request.
    package init(_ endpoint: Endpoint, options: ClientOptions = ClientOptions()) {
        self.endpoint = endpoint
        self.options = options
        context = options.tls
        parser = ResponseParser(headBytesMax: options.headBytesMax, bodyBytesMax: options.bodyBytesMax)
    }

    deinit {
        buffer.deallocate()
    }

    /// Closes the connection; the next request makes a new one.
    package func close() {
        stream = nil
    }

    /// Sends a request and waits for the response.
    ///
    /// A connection that the server has closed meanwhile is replaced before anything is sent. If it closes just then,
    /// without a byte of an answer, only a repeatable request is sent again.
    ///
    /// - Parameter seconds: bounds the request as a whole, connecting included, where given.
    package func send(
        _ request: ClientRequest, withinSeconds seconds: Double? = nil
    ) throws(HTTPClientError) -> ClientResponse {
        limit = seconds.map { Deadline(inSeconds: $0) }
        var bytes: [UInt8] = []
        try request.append(to: &bytes, endpoint: endpoint)
        if stream?.isStale == true { stream = nil }
        let isReused = stream != nil
        do throws(HTTPClientError) {
            return try exchange(bytes, request)
        } catch {
            let isStale =
                isReused && !parser.hasBegun && (error.code == .closedBeforeResponse || error.code == .ioFailed)
            guard isStale, request.isRepeatable else { throw error }
            return try exchange(bytes, request)
        }
    }

    private func exchange(_ bytes: [UInt8], _ request: ClientRequest) throws(HTTPClientError) -> ClientResponse {
        parser.reset(answersHead: request.method == "HEAD")
        let stream = try connectedStream()
        // Until the response is complete and clean, the connection is no good for another.
        self.stream = nil
        let deadline = deadline(inSeconds: options.responseSeconds)
        var sendFailure: HTTPClientError?
        do throws(HTTPClientError) {
            try withTypedErrors { try bytes.withUnsafeBytes { try stream.send($0, deadline: deadline) } }
        } catch {
            // The server may have answered before it closed, as with 413.
            guard error.code == .ioFailed else { throw error }
            sendFailure = error
        }
        do throws(HTTPClientError) {
            try receive(stream, deadline)
        } catch {
            if let sendFailure, !parser.hasBegun { throw sendFailure }
            throw error
        }
        if parser.keepsAlive, sendFailure == nil { self.stream = stream }
        return ClientResponse(status: parser.status, fields: parser.fields, body: parser.body)
    }

    private func receive(_ stream: ByteStream, _ deadline: Deadline) throws(HTTPClientError) {
        while !parser.isComplete {
            let count = try stream.receive(into: buffer, deadline: deadline)
            guard count > 0 else { return try parser.end(wasCut: stream.wasCut) }
            let taken = try parser.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            guard taken == count else { throw malformed("something follows the answer that nobody asked for") }
        }
    }

    private func connectedStream() throws(HTTPClientError) -> ByteStream {
        if let stream { return stream }
        if case .tls = endpoint.transport, context == nil { context = try TLSContext() }
        return try ByteStream(
            endpoint, context: context, deadline: deadline(inSeconds: options.connectSeconds))
    }

    private func deadline(inSeconds seconds: Double) -> Deadline {
        let deadline = Deadline(inSeconds: seconds)
        guard let limit, limit.nanoseconds < deadline.nanoseconds else { return deadline }
        return limit
    }
}
