internal import CCurl

/// Deadlines and bounds of a client.
package struct ClientOptions: Sendable {
    /// From the start of a connection to its end, TLS included.
    package var connectSeconds = 5.0
    /// From the start of a request, connecting included, to the last byte received.
    package var responseSeconds = 30.0
    package var headBytesMax = 65_536
    package var bodyBytesMax = 16 << 20
    /// PEM file of the issuers to trust, for https; `nil`: those of the system.
    package var caFile: String?

    package init() {}
}

/// A connection that is kept alive between requests and made again when needed. Blocking; one thread at a time.
package final class HTTPConnection {
    package let endpoint: Endpoint
    private let options: ClientOptions
    private var transfer: Transfer?

    /// Connects with the first request.
    package init(_ endpoint: Endpoint, options: ClientOptions = ClientOptions()) {
        self.endpoint = endpoint
        self.options = options
    }

    /// Closes the connection; the next request makes a new one.
    package func close() {
        transfer = nil
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
        let transfer: Transfer
        if let kept = self.transfer { transfer = kept } else { transfer = try Transfer(endpoint, options) }
        self.transfer = transfer
        try transfer.prepare(request, withinSeconds: seconds)
        return try transfer.end(curl_easy_perform(transfer.easy)).get()
    }
}
