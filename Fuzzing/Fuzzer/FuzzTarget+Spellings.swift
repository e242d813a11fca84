import Base
import SessionModel

@testable import Receiver

/// What people and platforms spell in their own way: the webhooks' addresses, variables, secrets, times, cursors.
extension FuzzTarget {
    /// Whatever is a spelling of a webhook's path stays one in another case, with more slashes, and with characters
    /// percent-encoded that need not be (RFC 3986, section 6.2.2); and whatever is none becomes none by it.
    @Sendable static func path(_ bytes: UnsafeRawBufferPointer) {
        let webhooks = ["/webhooks/session-events", "/webhooks/cdrs"]
        var plain: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let byte = PercentEncoding.nextUnreserved(bytes, &index)
            // Encodings of something else are left alone, and what stands behind them is a part of them.
            if byte == UInt8(ascii: "%") { return }
            plain.append(byte)
        }
        var other: [UInt8] = []
        for (index, byte) in plain.enumerated() {
            switch (byte, index % 3) {
            case (UInt8(ascii: "/"), _): other += [byte, byte]
            case (_, 1) where ASCII.isUnreserved(byte): other += Array("%\(ASCII.hexadecimal(byte))".utf8)
            case (_, 2) where ASCII.isAlphanumeric(byte) && !ASCII.isDigit(byte): other.append(byte ^ 0x20)
            default: other.append(byte)
            }
        }
        let collapsed = String(decoding: plain.map(ASCII.lowercased), as: UTF8.self)
            .split(separator: "/").map { "/" + $0 }.joined()
        for webhook in webhooks {
            let isSpelling = WebhookPath(likely: bytes)?.isSpelling(of: webhook) ?? false
            let isOther = other.withUnsafeBytes { WebhookPath(likely: $0)?.isSpelling(of: webhook) ?? false }
            precondition(isSpelling == isOther, "another spelling is another path")
            precondition(isSpelling == (collapsed == webhook) || plain.first != UInt8(ascii: "/"), "another path")
        }
    }

    /// The variables of Kubernetes' service links are none of ours, whatever the Service is called; and a setting of ours
    /// with a value of its own is never taken for one.
    @Sendable static func serviceLink(_ bytes: UnsafeRawBufferPointer) {
        let text = String(decoding: bytes, as: UTF8.self)
        let (name, value) = (text.prefix { $0 != "=" }, text.drop { $0 != "=" }.dropFirst())
        _ = ServiceLink(name: "CHARGEFOLD_" + name, value: String(value))
        precondition(ServiceLink(name: "OTHER_" + name, value: String(value)) == nil, "of another prefix")
        let service =
            "CHARGEFOLD_"
            + String(decoding: bytes.filter { ASCII.isAlphanumeric($0) || $0 == 0x5F }, as: UTF8.self)
            .uppercased()
        let links = [
            ("SERVICE_HOST", "10.96.0.17"), ("SERVICE_HOST", "fd00::17"), ("SERVICE_PORT", "8080"),
            ("SERVICE_PORT_HTTP", "8080"), ("PORT", "tcp://10.96.0.17:8080"),
            ("PORT_8080_TCP", "tcp://10.96.0.17:8080"),
            ("PORT_8080_TCP_PROTO", "tcp"), ("PORT_8080_TCP_PORT", "8080"), ("PORT_8080_TCP_ADDR", "10.96.0.17"),
        ]
        for (suffix, value) in links {
            precondition(ServiceLink(name: "\(service)_\(suffix)", value: value) != nil, "\(service)_\(suffix)")
        }
        // An empty one is a link switched off, or a setting that is not set: that makes no difference.
        for name in ownVariables where !value.isEmpty && !value.contains("://") {
            precondition(ServiceLink(name: name, value: String(value)) == nil, "\(name) is ours")
        }
    }

    private static let ownVariables = ConfigurationKey.all.map { ConfigurationLoader.variableName(of: $0.name) }

    /// What counts in a secret and is not seen is always said, and never the secret.
    @Sendable static func secret(_ bytes: UnsafeRawBufferPointer) {
        let text = String(decoding: bytes, as: UTF8.self)
        let found = SecretOddity.find(in: text)
        if text.utf8.count >= 16 {
            precondition(!found.contains { $0.contains(text) }, "the secret is told")
        }
        for odd in [" ", "\u{A0}", "\u{FEFF}", "\u{200B}", "\0", "\n"] {
            precondition(!SecretOddity.find(in: odd + text).isEmpty, "not seen before it")
            precondition(!SecretOddity.find(in: text + odd).isEmpty, "not seen behind it")
        }
        let isPlain = bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        if isPlain { precondition(found.isEmpty, "plain characters are odd") }
    }

    /// A time of OCPI without a zone is the same time in UTC; what is no RFC 3339 even with one is kept as not read.
    @Sendable static func ocpiTime(_ bytes: UnsafeRawBufferPointer) {
        // As it stands in a JSON string, without escapes.
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) else { return }
        let text = String(decoding: bytes, as: UTF8.self)
        let body = #"{"requestId":"r","sessionId":"S1","energy":{},"start_date_time":"\#(text)"}"#
        guard let record = try? ChargeDetailRecord(decoding: Array(body.utf8)) else { return }
        let asIs = Instant(rfc3339: text)
        let inUTC = Instant(rfc3339: text + "Z")
        precondition(asIs == nil || inUTC == nil, "two zones")
        let time = text.contains(" ") ? nil : asIs ?? inUTC
        precondition(record.startTime == time, "another time")
        precondition(record.unreadTimes.isEmpty == (time != nil), "not said")
    }

    /// A cursor of the log has one text, which reads as the same place; no other text is taken for a place.
    @Sendable static func logCursor(_ bytes: UnsafeRawBufferPointer) {
        guard let cursor = LogCursor(String(decoding: bytes, as: UTF8.self)) else { return }
        precondition(cursor.position >= 0, "before the log")
        precondition(LogCursor(cursor.text) == cursor, "another place")
        precondition(LogCursor(cursor.text)?.text == cursor.text, "not canonical")
    }
}
