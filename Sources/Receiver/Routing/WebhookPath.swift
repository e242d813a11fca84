internal import Base

/// A path as people misspell those of the webhooks. What differs only in slashes, in case or in the percent-encoding
/// of characters that need none (RFC 3986, section 6.2.2) is the webhook: each callback is sent once, and is not lost to a
/// slash at the end of a URL.
struct WebhookPath {
    /// No webhook has a longer path.
    private static let bytesMax = 32
    /// In lower case, without slashes and encodings that are not needed.
    private var plain: [UInt8] = []

    /// For paths that lead nowhere else; nil for one that can't be a webhook's. The cost is bounded: whatever is longer is
    /// left.
    init?(likely path: UnsafeRawBufferPointer) {
        plain.reserveCapacity(Self.bytesMax + 1)
        var index = path.startIndex
        while index < path.endIndex {
            let byte = PercentEncoding.nextUnreserved(path, &index)
            if byte == UInt8(ascii: "/"), plain.last == byte { continue }
            // A slash at the end is kept as one, for the moment.
            guard plain.count <= Self.bytesMax else { return nil }
            plain.append(ASCII.lowercased(byte))
        }
        if plain.last == UInt8(ascii: "/") { plain.removeLast() }
    }

    func isSpelling(of path: String) -> Bool { plain.elementsEqual(path.utf8) }
}
