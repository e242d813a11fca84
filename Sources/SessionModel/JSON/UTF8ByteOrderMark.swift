/// The byte order mark that some senders put before JSON, which has none. Whoever reads JSON may ignore it (RFC 8259,
/// section 8.1).
package enum UTF8ByteOrderMark {
    /// How many bytes a mark at the start of a text takes: 3, or 0 without one.
    package static func count(in text: UnsafeRawBufferPointer) -> Int {
        text.count >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF ? 3 : 0
    }

    /// A text without the mark. What is kept goes through here, since a mark within a larger text is no JSON.
    package static func dropped(from text: consuming [UInt8]) -> [UInt8] {
        let count = text.withUnsafeBytes { Self.count(in: $0) }
        if count > 0 { text.removeFirst(count) }
        return text
    }
}
