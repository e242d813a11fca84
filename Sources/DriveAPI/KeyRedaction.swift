internal import HTTPClient
internal import SessionModel
internal import WebhookSecurity

/// Takes our API key out of what the Drive API answers. An answer is passed on to phone apps, and an API that shows the
/// request that it did not like, or a proxy before it, shows the key with it.
struct KeyRedaction: Sendable {
    /// Shorter keys can't be told from other text.
    static let keyBytesMin = 8
    static let replacement = "[redacted]"

    /// The key as it may stand in a text.
    private let spellings: [[UInt8]]

    init(_ key: SecretKey) {
        guard key.count >= Self.keyBytesMin else {
            spellings = []
            return
        }
        let bytes = key.withUnsafeBytes { Array($0) }
        let text = String(decoding: bytes, as: UTF8.self)
        let encoded = PathTemplate.encode(text)
        var writer = JSONWriter(capacity: 64)
        writer.string(text)
        spellings = Array(
            Set([
                bytes, Array(writer.bytes.dropFirst().dropLast()), Array(encoded.utf8),
                Array(encoded.lowercased().utf8),
                Array(key.withUnsafeBytes { Base64.encode($0) }.utf8),
            ]))
    }

    /// A body without the key: as it came where it does not have it. JSON stays JSON; of anything else with the key in it
    /// nothing is left.
    func clean(_ body: [UInt8]) -> [UInt8] {
        guard !spellings.isEmpty, !body.isEmpty else { return body }
        // In the canonical text an escaped key is none any more.
        guard let json = try? CanonicalJSON(parsing: body) else { return holdsKey(body) ? [] : body }
        guard holdsKey(json.bytes) else { return body }
        var cleaned = json.bytes
        for spelling in spellings { cleaned = cleaned.replacing(spelling, with: Array(Self.replacement.utf8)) }
        return (try? CanonicalJSON(parsing: cleaned)) == nil ? [] : cleaned
    }

    private func holdsKey(_ text: [UInt8]) -> Bool {
        spellings.contains { !text.ranges(of: $0).isEmpty }
    }
}

extension RawAnswer {
    func redacted(_ redaction: KeyRedaction) -> RawAnswer {
        RawAnswer(
            response: ClientResponse(
                status: response.status, fields: response.fields, body: redaction.clean(response.body)),
            sentAt: sentAt, attempts: attempts)
    }
}

extension DriveAPIError {
    func redacted(_ redaction: KeyRedaction) -> DriveAPIError {
        var error = self
        error.body = redaction.clean(body)
        return error
    }
}
