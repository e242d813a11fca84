internal import COpenSSL

/// The client's TLS settings: which issuers are trusted.
// @unchecked: an SSL_CTX is reference-counted and may be used by many threads once it is set up.
package final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer

    /// - Parameter caFile: PEM file of the issuers to trust; `nil`: those of the system.
    /// - Throws: `tlsFailed` when the file can't be read.
    package init(caFile: String? = nil) throws(HTTPClientError) {
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw TLSSession.failure("no TLS context") }
        pointer = context
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        let trusted =
            caFile.map { SSL_CTX_load_verify_file(context, $0) } ?? SSL_CTX_set_default_verify_paths(context)
        guard copenssl_require_tls12(context) == 1, trusted == 1 else {
            throw TLSSession.failure("the trusted certificates \(caFile ?? "of the system") can't be read")
        }
    }

    deinit {
        SSL_CTX_free(pointer)
    }
}

/// One TLS connection between byte buffers: whoever owns the socket moves the bytes. So it works for blocking and
/// for multiplexed connections, and a write to a closed socket raises no signal.
final class TLSSession {
    enum Step {
        case done(Int)
        /// More bytes from the server are needed.
        case needsInput
        /// The server has ended the stream, properly.
        case closed
    }

    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    private let host: String

    init(context: TLSContext, host: String) throws(HTTPClientError) {
        guard let ssl = SSL_new(context.pointer), let input = BIO_new(BIO_s_mem()), let output = BIO_new(BIO_s_mem())
        else { throw Self.failure("no TLS session") }
        self.ssl = ssl
        self.input = input
        self.output = output
        self.host = host
        SSL_set_bio(ssl, input, output)
        SSL_set_connect_state(ssl)
        // Names are in the certificate's list of names, or nowhere (RFC 9525 section 6.3).
        SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        // An address is checked against the certificate's addresses and is not sent as a name (RFC 6066 section 3).
        let isAddress = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
        ERR_clear_error()
        if !isAddress {
            guard SSL_set1_host(ssl, host) == 1, copenssl_set_server_name(ssl, host) == 1 else {
                throw Self.failure("\(host) is no name for TLS")
            }
        }
    }

    deinit {
        // Frees both buffers as well.
        SSL_free(ssl)
    }

    /// Whether bytes from the server have not been read.
    var hasPending: Bool { SSL_has_pending(ssl) == 1 || BIO_ctrl_pending(input) > 0 }

    /// Bytes from the server.
    func feed(_ bytes: UnsafeRawBufferPointer) {
        BIO_write(input, bytes.baseAddress, Int32(bytes.count))
    }

    /// Moves what must go to the server to the end of `bytes`.
    func takeOutput(into bytes: inout [UInt8]) {
        let count = BIO_ctrl_pending(output)
        guard count > 0 else { return }
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: count))
        bytes.withUnsafeMutableBytes { buffer in
            _ = BIO_read(output, buffer.baseAddress.map { $0 + start }, Int32(count))
        }
    }

    /// Goes on with the handshake.
    func handshake() throws(HTTPClientError) -> Step {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 { return .done(0) }
        guard SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ else {
            let verdict = SSL_get_verify_result(ssl)
            if verdict != Int(X509_V_OK) {
                let reason = String(cString: X509_verify_cert_error_string(verdict))
                throw HTTPClientError(.certificateRejected, "the certificate of \(host) is not accepted: \(reason)")
            }
            throw Self.failure("no TLS connection to \(host)")
        }
        return .needsInput
    }

    /// Encrypts `bytes`; they are then in the output.
    func write(_ bytes: UnsafeRawBufferPointer) throws(HTTPClientError) {
        guard !bytes.isEmpty else { return }
        ERR_clear_error()
        var written = 0
        guard SSL_write_ex(ssl, bytes.baseAddress, bytes.count, &written) == 1, written == bytes.count else {
            throw Self.failure("sending over TLS failed")
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(HTTPClientError) -> Step {
        ERR_clear_error()
        let count = SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
        if count > 0 { return .done(Int(count)) }
        switch SSL_get_error(ssl, count) {
        case SSL_ERROR_WANT_READ: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .closed
        default: throw Self.failure("receiving over TLS failed")
        }
    }

    static func failure(_ what: String) -> HTTPClientError {
        let code = ERR_get_error()
        let reason = code == 0 ? nil : ERR_reason_error_string(code).map { String(cString: $0) }
        return HTTPClientError(.tlsFailed, what + (reason.map { ": \($0)" } ?? ""))
    }
}
