import Base
import Glibc
import HTTPServerTestSupport
import SessionModel
import WebhookSecurity

@testable import HTTPServer
@testable import Receiver

/// Values of header fields and queries.
extension FuzzTarget {
    /// The time of signing is that of the timestamps, where both are understood; no text and no clock is a trap.
    @Sendable static func signedAt(_ bytes: UnsafeRawBufferPointer) {
        for now in [0, Int64.min, .max] {
            _ = FreshnessWindow(seconds: 60).verify(signedAt: bytes, nowSeconds: now)
        }
        guard let signedAt = SignedAt(bytes) else { return }
        precondition((0..<1_000_000_000).contains(signedAt.instant.nanoseconds), "not a fraction")
        let verdict = FreshnessWindow(seconds: 0).verify(signedAt: bytes, nowSeconds: signedAt.instant.seconds)
        precondition(verdict == .fresh, "not fresh at its own time")
        if let instant = Instant(rfc3339: bytes) {
            precondition(instant == signedAt.instant, "two readings of one time")
        }
    }

    /// Addresses are those that the C library reads; a host is the same wherever it stands.
    @Sendable static func host(_ bytes: UnsafeRawBufferPointer) {
        let isValid = HostSyntax.isValid(bytes)
        if HostSyntax.isAuthority(bytes) { precondition(isValid, "an authority that is no host") }
        if !bytes.contains(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }) {
            let target = Array("http://".utf8) + bytes + [UInt8(ascii: "/")]
            let end = target.withUnsafeBytes { HostSyntax.endOfAuthority($0) }
            precondition((end != nil) == isValid && (end ?? target.count - 1) == target.count - 1, "other in a target")
        }
        precondition(HostSyntax.isIPv6(bytes) == isAddress(bytes, AF_INET6), "IPv6")
        precondition(HostSyntax.isIPv4(bytes) == isAddress(bytes, AF_INET), "IPv4")
        var request = Array("GET / HTTP/1.1\r\nHost: ".utf8) + bytes
        request += Array("\r\n\r\n".utf8)
        // Surrounding whitespace is no part of the value, and what ends the line ends the head.
        guard let first = bytes.first, let last = bytes.last, !ASCII.isOptionalWhitespace(first),
            !ASCII.isOptionalWhitespace(last), !bytes.contains(ASCII.cr), bytes.count < 8_000
        else { return }
        let outcome = ParserHarness.outcomes(of: [request]).first
        if case .request? = outcome { precondition(isValid) } else { precondition(!isValid) }
    }

    private static func isAddress(_ bytes: UnsafeRawBufferPointer, _ family: Int32) -> Bool {
        guard !bytes.contains(0) else { return false }
        var address = in6_addr()
        return inet_pton(family, String(decoding: bytes, as: UTF8.self), &address) == 1
    }

    /// Case and surrounding whitespace mean nothing, and nothing is a trap.
    @Sendable static func fields(_ bytes: UnsafeRawBufferPointer) {
        let other = [UInt8(ascii: " ")] + bytes.map { $0 &- 0x61 < 26 ? $0 - 0x20 : $0 } + [ASCII.tab]
        other.withUnsafeBytes { other in
            precondition(MediaType.isJSON(bytes) == MediaType.isJSON(other), "media type")
            precondition(MediaType.contentCoding(bytes) == MediaType.contentCoding(other), "content coding")
            precondition(AcceptEncoding.allowsGzip(bytes) == AcceptEncoding.allowsGzip(other), "accepted codings")
        }
        let further = Array(bytes) + Array(";charset=utf-8".utf8)
        precondition(further.withUnsafeBytes { MediaType.isJSON($0) } == MediaType.isJSON(bytes), "parameters count")
    }

    /// A request for sessions, as a body and as a query, is within its bounds or refused.
    @Sendable static func history(_ bytes: UnsafeRawBufferPointer) {
        var requests: [HistoryRequest] = []
        if let request = try? HistoryRequest(json: Array(bytes)) { requests.append(request) }
        if let query = QueryParameters(bytes), let request = try? HistoryRequest(query) { requests.append(request) }
        for request in requests {
            precondition((1...HistoryRequest.limitMax).contains(request.limit), "limit")
            let context = request.context(userId: "u")
            precondition((try? CanonicalJSON(parsing: context)) != nil, "no JSON")
            _ = request.selection(userId: "u", after: nil, now: .epoch, GuidanceSettings())
        }
    }
}
