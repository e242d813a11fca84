import Base
import Compression
import HTTPServer
import HTTPServerTestSupport
import Receiver
import SessionModel
import WebhookSecurity

/// Something that takes bytes from strangers, and what must hold whatever they are. A violation stops the process,
/// which is how libFuzzer learns of it.
struct FuzzTarget: Sendable {
    let name: String
    let run: @Sendable (UnsafeRawBufferPointer) -> Void

    /// Every target; a new decoder of outside bytes (cursors, tokens, …) gets a line here and a folder in Corpus/.
    static let all = [
        // Split over reads in any way, the same bytes give the same requests: chunked bodies and trailers included.
        FuzzTarget(name: "request", run: ParserHarness.fuzz),
        FuzzTarget(name: "event", run: event),
        FuzzTarget(name: "fold", run: fold),
        FuzzTarget(name: "timestamp", run: timestamp),
        FuzzTarget(name: "json", run: json),
        FuzzTarget(name: "record", run: record),
        FuzzTarget(name: "segment", run: segment),
        FuzzTarget(name: "entry", run: entry),
        FuzzTarget(name: "recovery", run: recovery),
        FuzzTarget(name: "gzip", run: gzipMember),
        FuzzTarget(name: "query", run: query),
        FuzzTarget(name: "quarantine", run: quarantine),
        FuzzTarget(name: "credentials", run: credentials),
        FuzzTarget(name: "cursor", run: cursor),
        FuzzTarget(name: "token", run: userToken),
        FuzzTarget(name: "live-id", run: liveId),
        FuzzTarget(name: "frontier", run: frontier),
        FuzzTarget(name: "places", run: places),
        FuzzTarget(name: "signed-at", run: signedAt),
        FuzzTarget(name: "host", run: host),
        FuzzTarget(name: "fields", run: fields),
        FuzzTarget(name: "history", run: history),
        FuzzTarget(name: "cdr", run: chargeDetailRecord),
        FuzzTarget(name: "configuration", run: configuration),
        FuzzTarget(name: "drive-answer", run: driveAnswer),
        FuzzTarget(name: "path", run: path),
        FuzzTarget(name: "service-link", run: serviceLink),
        FuzzTarget(name: "secret", run: secret),
        FuzzTarget(name: "ocpi-time", run: ocpiTime),
        FuzzTarget(name: "log-cursor", run: logCursor),
    ]
}

private let tokens = TokenSet(
    ["operator", "reader"].compactMap { name in
        SecretKey(utf8: "a-long-random-token-\(name)").map { (TokenSet.Holder(name: name), $0) }
    })

extension FuzzTarget {
    /// An instant survives its own text, and that text is canonical.
    @Sendable static func timestamp(_ bytes: UnsafeRawBufferPointer) {
        guard let instant = Instant(rfc3339: bytes) else { return }
        let text = instant.rfc3339
        guard let again = Instant(rfc3339: text) else { preconditionFailure("own text refused: \(text)") }
        precondition(again == instant, "own text means something else: \(text)")
        precondition(again.rfc3339 == text, "not canonical: \(text)")
    }

    /// Canonical text is its own canonical form, at every depth bound that accepts it.
    @Sendable static func json(_ bytes: UnsafeRawBufferPointer) {
        guard let value = try? CanonicalJSON(parsing: bytes) else { return }
        guard let again = try? CanonicalJSON(parsing: value.bytes) else { preconditionFailure("own text refused") }
        precondition(again.bytes == value.bytes, "not canonical")
        precondition(String(validating: value.bytes, as: UTF8.self) != nil, "not UTF-8")
        _ = value.string
        _ = value.elements
        _ = value.instant("timestamp")
    }

    /// What the decompressor gives is bounded and the same in one piece and as a stream; compressing is undone exactly.
    @Sendable static func gzipMember(_ bytes: UnsafeRawBufferPointer) {
        let limit = 4_096
        let whole = try? gunzip(bytes, decompressedBytesMax: limit)
        if let whole {
            precondition(whole.count <= limit, "more than allowed")
            precondition(streamed(bytes) == whole, "differs as a stream")
        }
        guard let packed = try? gzip(bytes), let back = try? gunzip(packed, decompressedBytesMax: bytes.count) else {
            preconditionFailure("cannot read what was written")
        }
        precondition(back.elementsEqual(bytes), "round trip")
    }

    private static func streamed(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        var offset = 0
        let reader = try? GzipReader { buffer in
            // Small pieces, so that every state of the reader meets their ends.
            let count = min(7, buffer.count, bytes.count - offset)
            buffer.copyBytes(from: bytes[offset..<(offset + count)])
            offset += count
            return count
        }
        var output: [UInt8] = []
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 61, alignment: 1)
        defer { piece.deallocate() }
        while let count = try? reader?.read(into: piece) {
            guard count > 0 else { return output }
            output.append(contentsOf: piece[..<count])
        }
        return nil
    }

    private static let router = Router(Route.all)

    /// Decoding never traps; encoding is undone by decoding.
    @Sendable static func query(_ bytes: UnsafeRawBufferPointer) {
        if let parameters = QueryParameters(bytes) {
            for name in parameters.names { precondition(parameters[name] != nil) }
        }
        for method in [Route.Method.get, .post] { _ = router.match(method, bytes) }
        if let text = String(validating: bytes, as: UTF8.self) {
            let encoded = PercentEncoding.encode(text)
            precondition(PercentEncoding.decode(encoded.utf8) == text, "round trip")
        }
        if let text = PercentEncoding.decode(bytes, plusIsSpace: true) {
            precondition(text.utf8.count <= bytes.count, "longer than its encoding")
        }
    }

    @Sendable static func quarantine(_ bytes: UnsafeRawBufferPointer) {
        guard let selection = QuarantineSelection(json: Array(bytes)) else { return }
        precondition((selection.ids?.count ?? 0) <= bytes.count)
    }

    /// Evidence is read back as it was written, and is bounded whatever was presented. A signature made up by a
    /// stranger is never right.
    @Sendable static func credentials(_ bytes: UnsafeRawBufferPointer) {
        if let evidence = CredentialEvidence(decoding: bytes) {
            let encoded = evidence.encoded
            guard let again = CredentialEvidence(decoding: encoded) else { preconditionFailure("own form refused") }
            precondition(again.encoded == encoded, "not canonical")
        }
        let end = bytes.firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        let first = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        let rest = UnsafeRawBufferPointer(rebasing: bytes[min(end + 1, bytes.count)...])
        var evidence = CredentialEvidence(signature: first, signedAt: rest)
        evidence.add(name: first, value: rest)
        evidence.add(name: rest, value: first)
        precondition(CredentialEvidence(decoding: evidence.encoded) != nil, "own form refused")
        _ = tokens.verify(authorization: bytes)
    }
}
