internal import Base
internal import CCurl
internal import COpenSSL
internal import Glibc

/// One of libcurl's easy handles with one connection and all that its callbacks need: it carries one request after the
/// other, each to its response or error. Used by one thread at a time.
///
/// What libcurl would do by itself and must not: send a request again when a kept connection turns out to be closed
/// (`Curl_retry_request`, for POST too). Before each sending it asks `beforeRequest`, before each new connection
/// `beforeConnect`: there it ends, unless the request is repeatable. The first of them also is the line behind which a
/// request may have been sent.
final class Transfer {
    private(set) var easy: UnsafeMutableRawPointer
    /// The store of its connection. libcurl may choose among all in a store; here there is only one.
    private var store: UnsafeMutableRawPointer
    private let endpoint: Endpoint
    /// Of a Unix-domain socket; must live as long as anything connects.
    private let socketPath: SocketPath?
    private let options: ClientOptions
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private var lines: UnsafeMutablePointer<curl_slist>?
    private var request = ClientRequest(target: "/")
    private var head = ResponseHead()
    private var body: [UInt8] = []
    /// How often the request has been, or may have been, sent.
    private var sentCount = 0
    /// Why we have ended it.
    private var refusal: HTTPClientError?
    /// The connection that is kept, or -1.
    private var keptSocket: Int32 = -1
    /// libcurl counts its retries over the life of a handle, and gives up at the sixth.
    private var isWorn = false

    /// Once for the process, before anything else.
    private static let isLibraryReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    /// - Throws: `ioFailed` where libcurl has no memory or not what is asked of it.
    init(_ endpoint: Endpoint, _ options: ClientOptions) throws(HTTPClientError) {
        (easy, store) = try Self.handles()
        self.endpoint = endpoint
        socketPath = endpoint.unixPath.map { SocketPath($0) }
        self.options = options
        try setOptions()
    }

    deinit {
        free()
        curl_slist_free_all(lines)
        errorText.deallocate()
    }

    private static func handles() throws(HTTPClientError) -> (UnsafeMutableRawPointer, UnsafeMutableRawPointer) {
        guard isLibraryReady, let easy = curl_easy_init() else {
            throw HTTPClientError(.ioFailed, "libcurl can't begin")
        }
        guard let store = curl_share_init(), ccurl_share_connections(store) == CURLSHE_OK else {
            curl_easy_cleanup(easy)
            throw HTTPClientError(.ioFailed, "libcurl can't begin")
        }
        return (easy, store)
    }

    /// Closes the connection as well.
    private func free() {
        curl_easy_cleanup(easy)
        curl_share_cleanup(store)
    }

    /// Whether the server has closed the connection, or said something unasked, which must not be taken for an answer.
    /// (libcurl looks for the latter without TLS only.)
    private var isStale: Bool {
        var entry = pollfd(fd: keptSocket, events: Int16(POLLIN), revents: 0)
        return keptSocket >= 0 && poll(&entry, 1, 0) != 0
    }

    /// What is the same for all requests.
    private func setOptions() throws(HTTPClientError) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        let numbers: [(CURLoption, Int)] = [
            // A resolver that hangs must not hold up a deadline: its thread is left to itself.
            (CURLOPT_QUICK_EXIT, 1), (CURLOPT_NOSIGNAL, 1), (CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)),
            (CURLOPT_HTTP09_ALLOWED, 0), (CURLOPT_FOLLOWLOCATION, 0), (CURLOPT_NETRC, 0), (CURLOPT_MAXCONNECTS, 1),
            (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2),
            (CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
            (CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(options.connectSeconds)),
        ]
        let texts: [(CURLoption, String?)] = [
            (CURLOPT_PROTOCOLS_STR, "http,https"), (CURLOPT_PROXY, ""), (CURLOPT_URL, endpoint.origin),
            (CURLOPT_UNIX_SOCKET_PATH, socketPath?.text), (CURLOPT_CAINFO, options.caFile), (CURLOPT_CAPATH, nil),
        ]
        let pointers: [(CURLoption, UnsafeRawPointer)] = [
            (CURLOPT_SHARE, UnsafeRawPointer(store)), (CURLOPT_ERRORBUFFER, UnsafeRawPointer(errorText)),
            (CURLOPT_WRITEDATA, UnsafeRawPointer(context)),
            (CURLOPT_HEADERDATA, UnsafeRawPointer(context)), (CURLOPT_SOCKOPTDATA, UnsafeRawPointer(context)),
            (CURLOPT_PREREQDATA, UnsafeRawPointer(context)), (CURLOPT_SSL_CTX_DATA, UnsafeRawPointer(context)),
        ]
        var codes = numbers.map { ccurl_set_long(easy, $0, $1) }
        codes += texts.map { option, text in
            text.map { ccurl_set_pointer(easy, option, $0) } ?? ccurl_set_pointer(easy, option, nil)
        }
        codes += pointers.map { ccurl_set_pointer(easy, $0, $1) }
        codes += [
            ccurl_set_receiver(easy, CURLOPT_HEADERFUNCTION) { Transfer.receive($0, $1 * $2, $3, isHead: true) },
            ccurl_set_receiver(easy, CURLOPT_WRITEFUNCTION) { Transfer.receive($0, $1 * $2, $3, isHead: false) },
            ccurl_set_socket_option(easy) { context, socket, _ in Transfer.of(context).beforeConnect(socket) },
            ccurl_set_before_request(easy) { context, _, _, _, _ in Transfer.of(context).beforeRequest() },
            ccurl_set_tls_context(easy) { _, tls, context in Transfer.of(context).secure(tls) },
        ]
        guard codes.allSatisfy({ $0 == CURLE_OK }) else {
            throw HTTPClientError(.ioFailed, "libcurl lacks an option that is needed")
        }
    }

    /// Makes the handle ready for a request.
    ///
    /// - Parameter seconds: a further bound for it as a whole.
    /// - Throws: `invalidRequest` when a part of it can't be sent as it is.
    func prepare(_ request: ClientRequest, withinSeconds seconds: Double? = nil) throws(HTTPClientError) {
        try request.check()
        if isWorn || isStale {
            let fresh = try Self.handles()
            free()
            (easy, store, isWorn) = (fresh.0, fresh.1, false)
            try setOptions()
        }
        self.request = request
        (head, sentCount, refusal, errorText[0]) = (ResponseHead(), 0, nil, 0)
        body.removeAll(keepingCapacity: true)
        let limit = min(seconds ?? .infinity, options.responseSeconds)
        ccurl_set_long(easy, CURLOPT_TIMEOUT_MS, Self.milliseconds(limit))
        ccurl_set_pointer(easy, CURLOPT_REQUEST_TARGET, request.target)
        ccurl_set_long(easy, CURLOPT_NOBODY, request.method == "HEAD" ? 1 : 0)
        if request.hasBody {
            ccurl_set_long(easy, CURLOPT_POST, 1)
            ccurl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count))
            // Never a null pointer, with which libcurl would read the standard input.
            let body = request.body.isEmpty ? [0] : request.body
            ccurl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, body)
        } else if request.method != "HEAD" {
            ccurl_set_long(easy, CURLOPT_HTTPGET, 1)
        }
        ccurl_set_pointer(easy, CURLOPT_CUSTOMREQUEST, request.method)
        setLines(request.fields)
    }

    private func setLines(_ fields: [(name: String, value: String)]) {
        curl_slist_free_all(lines)
        lines = nil
        for (name, value) in fields {
            let isBlank = value.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 }
            lines = curl_slist_append(lines, isBlank ? "\(name);" : "\(name): \(value)")
        }
        // Without a value: what libcurl would add by itself is not sent.
        for name in ["Accept", "Content-Type", "Expect"]
        where !fields.contains(where: { $0.name.count == name.count && $0.name.lowercased() == name.lowercased() }) {
            lines = curl_slist_append(lines, "\(name):")
        }
        ccurl_set_pointer(easy, CURLOPT_HTTPHEADER, lines)
    }

    /// What a transfer has come to, while the handle still is in its multi handle.
    func end(_ code: CURLcode) -> Result<ClientResponse, HTTPClientError> {
        keptSocket = ccurl_open_socket(easy)
        guard code == CURLE_OK, refusal == nil else { return .failure(refusal ?? failure(code)) }
        guard head.isComplete else {
            return .failure(
                HTTPClientError(
                    .closedWithinResponse, "\(endpoint): the server closed the connection within its answer"))
        }
        return .success(ClientResponse(status: head.status, fields: head.fields, body: body))
    }

    private func failure(_ code: CURLcode) -> HTTPClientError {
        let text = reason(code)
        let isSent = sentCount > 0
        let kind: HTTPClientError.Code =
            switch code {
            case CURLE_URL_MALFORMAT where !isSent: .invalidURL
            case CURLE_COULDNT_RESOLVE_HOST where !isSent: .unresolvable
            case CURLE_PEER_FAILED_VERIFICATION where !isSent: .certificateRejected
            case CURLE_SSL_CONNECT_ERROR where !isSent, CURLE_SSL_CACERT_BADFILE where !isSent: .tlsFailed
            case CURLE_OPERATION_TIMEDOUT: isSent ? .timedOut : .connectTimedOut
            case _ where !isSent: .connectionFailed
            case CURLE_GOT_NOTHING where head.hasBegun: .closedWithinResponse
            case CURLE_GOT_NOTHING, CURLE_ABORTED_BY_CALLBACK, CURLE_COULDNT_CONNECT: .closedBeforeResponse
            case CURLE_PARTIAL_FILE: .closedWithinResponse
            case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY: .malformedResponse
            // Chunks that are none.
            case CURLE_RECV_ERROR where head.isChunked && ccurl_system_error(easy) == 0: .malformedResponse
            // A line of a head beyond libcurl's own bound.
            case CURLE_OUT_OF_MEMORY: .responseTooLarge
            default: .ioFailed
            }
        return HTTPClientError(kind, "\(endpoint): \(text)")
    }

    private func reason(_ code: CURLcode) -> String {
        // Of a Unix socket libcurl speaks as of port 80 of this machine.
        if case .unix = endpoint.transport, code == CURLE_COULDNT_CONNECT {
            let system = Int32(ccurl_system_error(easy))
            return system == 0 ? "nobody listens there" : String(cString: strerror(system))
        }
        return errorText[0] == 0 ? String(cString: curl_easy_strerror(code)) : String(cString: errorText)
    }

    /// At least 1: for libcurl 0 is no limit at all.
    private static func milliseconds(_ seconds: Double) -> Int {
        Int(max(1, min(seconds, 1_000_000) * 1000))
    }
}

// MARK: What libcurl calls

extension Transfer {
    private static func of(_ context: UnsafeMutableRawPointer?) -> Transfer {
        // The handle is gone before its transfer is, and every call of it comes from within a call by its owner.
        Unmanaged<Transfer>.fromOpaque(context.unsafelyUnwrapped).takeUnretainedValue()
    }

    private static func receive(
        _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ context: UnsafeMutableRawPointer?, isHead: Bool
    ) -> Int {
        let transfer = of(context)
        let piece = UnsafeRawBufferPointer(start: bytes, count: count)
        do throws(HTTPClientError) {
            if isHead { try transfer.takeHead(piece) } else { try transfer.takeBody(piece) }
            return count
        } catch {
            transfer.refusal = error
            return -1
        }
    }

    private func takeHead(_ line: UnsafeRawBufferPointer) throws(HTTPClientError) {
        let wasComplete = head.isComplete
        try head.take(line, bytesMax: options.headBytesMax)
        let hasBody = request.method != "HEAD" && head.status != 204 && head.status != 304
        guard head.isComplete, !wasComplete, hasBody else { return }
        guard head.contentLength ?? 0 <= options.bodyBytesMax else { throw tooLarge }
        // Whether TLS has ended such a body or somebody on the way can't be told by libcurl.
        if endpoint.tlsHost != nil, head.contentLength == nil, !head.isChunked {
            throw malformed("over TLS, only the connection's end would end the body")
        }
    }

    private func takeBody(_ piece: UnsafeRawBufferPointer) throws(HTTPClientError) {
        guard body.count + piece.count <= options.bodyBytesMax else { throw tooLarge }
        body.append(contentsOf: piece)
        // libcurl reads up to the length; what is behind it in the same TLS record would be the next answer.
        if body.count == head.contentLength, endpoint.tlsHost != nil, let session = ccurl_tls_session(easy),
            SSL_pending(OpaquePointer(session)) > 0
        {
            throw malformed("something follows the answer that nobody asked for")
        }
    }

    private var tooLarge: HTTPClientError {
        HTTPClientError(.responseTooLarge, "the answer's body is longer than \(options.bodyBytesMax) bytes")
    }

    private func maySend() -> Bool {
        if sentCount > 0 { isWorn = true }
        return sentCount < (request.isRepeatable ? 2 : 1)
    }

    private func beforeConnect(_ socket: curl_socket_t) -> Int32 {
        // libcurl leaves its sockets to processes that are started.
        _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
        return maySend() ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR
    }

    private func beforeRequest() -> Int32 {
        guard maySend() else { return CURL_PREREQFUNC_ABORT }
        sentCount += 1
        return CURL_PREREQFUNC_OK
    }

    /// Lets OpenSSL check the host too: libcurl takes a name in the subject where the certificate has no list of names
    /// (against RFC 9525 section 6.3).
    private func secure(_ context: UnsafeMutableRawPointer?) -> CURLcode {
        guard let tls = OpaquePointer(context), let host = endpoint.tlsHost, let parameters = SSL_CTX_get0_param(tls)
        else {
            return CURLE_SSL_CONNECT_ERROR
        }
        X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        let isChecked =
            X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1
            || X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1
        ERR_clear_error()
        // Those of SSL_CERT_FILE and SSL_CERT_DIR, or OpenSSL's own.
        guard isChecked, options.caFile != nil || SSL_CTX_set_default_verify_paths(tls) == 1 else {
            return CURLE_SSL_CONNECT_ERROR
        }
        return CURLE_OK
    }
}
