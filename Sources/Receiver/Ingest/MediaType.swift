/// What `Content-Type` and `Content-Encoding` say of a callback's body.
enum MediaType {
    /// Whether a `Content-Type` value is JSON: `application/json`, or `+json` (RFC 6839), in any case and with any
    /// parameters. No header counts as JSON: an event is sent once, and its content decides.
    static func isJSON(_ value: UnsafeRawBufferPointer?) -> Bool {
        guard let value else { return true }
        let essence = lowercased(value.prefix { $0 != UInt8(ascii: ";") })
        return essence == "application/json" || essence == "text/json"
            || essence.hasPrefix("application/") && essence.hasSuffix("+json")
    }

    /// The content codings that are understood (RFC 9110 section 8.4).
    enum ContentCoding {
        case identity
        case gzip
    }

    /// The coding of a `Content-Encoding` value, nil for one that is not understood.
    static func contentCoding(_ value: UnsafeRawBufferPointer?) -> ContentCoding? {
        guard let value else { return .identity }
        return switch lowercased(value[...]) {
        case "", "identity": .identity
        case "gzip", "x-gzip": .gzip
        default: nil
        }
    }

    private static func lowercased(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let trimmed = bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
        return String(decoding: trimmed, as: UTF8.self).lowercased()
    }
}
