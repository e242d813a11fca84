internal import HTTPClient
internal import SessionModel
internal import WebhookSecurity

/// Takes our API key out of what the Drive API answers. An answer is passed on to phone apps, and an API that shows the
/// request that it did not like, or a proxy before it, shows the key with it.
///
/// What is spelled as we would spell it is replaced where it stands. There are more ways to write a text than anybody can
/// list, so everything else is read (``KeySpellings``), and a string that the key can be read out of goes as a whole.
struct KeyRedaction: Sendable {
    /// Shorter keys can't be told from other text.
    static let keyBytesMin = 8
    static let replacement = "[redacted]"

    /// The key as it may stand in a text.
    private let spellings: [[UInt8]]
    /// nil where the key is too short to be looked for.
    private let hidden: KeySpellings?

    init(_ key: SecretKey) {
        guard key.count >= Self.keyBytesMin else {
            spellings = []
            hidden = nil
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
            ]))
        hidden = KeySpellings(bytes)
    }

    /// A body without the key: as it came where it does not have it. JSON stays JSON; of anything else with the key in it
    /// nothing is left.
    func clean(_ body: [UInt8]) -> [UInt8] {
        guard let hidden, !body.isEmpty else { return body }
        // In the canonical text an escaped key is none any more.
        guard let json = try? CanonicalJSON(parsing: body) else { return hidden.areIn(body) ? [] : body }
        guard hidden.areIn(json.bytes) else { return body }
        var cleaned = json.bytes
        for spelling in spellings where KeySpellings.contains(cleaned, spelling) {
            cleaned = cleaned.replacing(spelling, with: Array(Self.replacement.utf8))
        }
        cleaned = Self.replacingStrings(in: cleaned) { hidden.areIn($0) }
        return (try? CanonicalJSON(parsing: cleaned)) == nil || hidden.areIn(cleaned) ? [] : cleaned
    }

    /// JSON with the replacement in place of strings, member names included.
    ///
    /// - Parameter isReplaced: told a string as it is escaped, without its quotes.
    private static func replacingStrings(in json: [UInt8], where isReplaced: ([UInt8]) -> Bool) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < json.count {
            result.append(json[index])
            index += 1
            guard json[index - 1] == UInt8(ascii: "\"") else { continue }
            let start = index
            while index < json.count, json[index] != UInt8(ascii: "\"") {
                index += json[index] == UInt8(ascii: "\\") ? 2 : 1
            }
            let text = Array(json[start..<min(index, json.count)])
            result += isReplaced(text) ? Array(replacement.utf8) : text
            // The closing quote.
            if index < json.count { result.append(json[index]) }
            index += 1
        }
        return result
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
