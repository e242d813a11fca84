/// Makes short texts that only we can have made: what a client gets to hand back later, unreadable for nobody, but not
/// to be altered by anybody (HMAC-SHA256, cut to 16 bytes, RFC 2104 section 5).
package struct Seal: Sendable {
    private static let codeCount = 16
    private let key: SecretKey

    package init(key: SecretKey) {
        self.key = key
    }

    /// Content and code as base64url without padding (RFC 4648 section 5).
    ///
    /// - Parameter context: what the text is bound to without containing it; opening needs the same.
    package func close(_ content: [UInt8], context: [UInt8]) -> String {
        let sealed = content + code(content, context)
        let text = sealed.withUnsafeBytes { Base64.encode($0) }
        return String(
            decoding: text.utf8.compactMap { byte -> UInt8? in
                switch byte {
                case UInt8(ascii: "+"): UInt8(ascii: "-")
                case UInt8(ascii: "/"): UInt8(ascii: "_")
                case UInt8(ascii: "="): nil
                default: byte
                }
            }, as: UTF8.self)
    }

    /// The content, or nil where the text is not one that `close` made for this context.
    package func open(_ text: String, context: [UInt8]) -> [UInt8]? {
        var standard = text.utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            // Characters of the other alphabet are not to be another form of the same text.
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): 0
            default: byte
            }
        }
        guard standard.count < 4096, standard.count % 4 != 1 else { return nil }
        let count = standard.count * 3 / 4
        while standard.count % 4 != 0 { standard.append(UInt8(ascii: "=")) }
        guard count > Self.codeCount else { return nil }
        var sealed = [UInt8](repeating: 0, count: count)
        let isValid = standard.withUnsafeBytes { text in
            sealed.withUnsafeMutableBytes { Base64.decode(text, into: $0) }
        }
        guard isValid else { return nil }
        let content = Array(sealed[..<(count - Self.codeCount)])
        let expected = code(content, context)
        let isOurs = expected.withUnsafeBytes { expected in
            sealed.withUnsafeBytes { bytes in
                UnsafeRawBufferPointer(rebasing: bytes[(count - Self.codeCount)...]).isEqualInConstantTime(to: expected)
            }
        }
        return isOurs ? content : nil
    }

    private func code(_ content: [UInt8], _ context: [UInt8]) -> [UInt8] {
        // The length in front keeps content and context apart.
        var message = withUnsafeBytes(of: UInt64(content.count).littleEndian) { Array($0) }
        message += content
        message += context
        let digest = message.withUnsafeBytes { message in
            key.withUnsafeBytes { Digest(authenticating: message, key: $0) }
        }
        return digest.withUnsafeBytes { Array($0.prefix(Self.codeCount)) }
    }
}
