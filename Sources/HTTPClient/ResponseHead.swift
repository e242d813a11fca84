internal import Base

/// The head of a response, line by line as libcurl hands it over, held to RFC 9112: libcurl reads much that is no
/// HTTP/1.1, and whatever an intermediary may read in another way than we do is how answers are swapped.
struct ResponseHead {
    private(set) var status = 0
    private(set) var fields: [(name: String, value: String)] = []
    /// Whether the empty line of the final answer has come; what comes then are trailers.
    private(set) var isComplete = false
    /// Bytes of the body; nil where the head does not say.
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private var bytes = 0

    /// Whether anything has come.
    var hasBegun: Bool { bytes > 0 }

    /// - Parameter line: with its end.
    mutating func take(_ line: UnsafeRawBufferPointer, bytesMax: Int) throws(HTTPClientError) {
        bytes += line.count
        guard bytes <= bytesMax else {
            throw HTTPClientError(.responseTooLarge, "the answer's head is longer than \(bytesMax) bytes")
        }
        guard !isComplete else { return }
        let text = line.dropLast(2)
        guard line.count >= 2, line[line.count - 2] == 0x0D, line[line.count - 1] == 0x0A,
            !text.contains(where: { $0 == 0x0D || $0 == 0x0A || $0 == 0 })
        else { throw malformed("a line that does not end with CR and LF, or has a null byte") }
        if status == 0 {
            try takeStatus(text)
        } else if !text.isEmpty {
            try takeField(text)
        } else if status < 200 {
            // An interim answer: the next one begins.
            (status, fields, contentLength, isChunked) = (0, [], nil, false)
        } else {
            guard contentLength == nil || !isChunked else { throw malformed("both a length and chunks") }
            isComplete = true
        }
    }

    private mutating func takeStatus(_ line: Slice<UnsafeRawBufferPointer>) throws(HTTPClientError) {
        let line = UnsafeRawBufferPointer(rebasing: line)
        guard line.count >= 12, line.starts(with: "HTTP/1.0 ".utf8) || line.starts(with: "HTTP/1.1 ".utf8),
            line.count == 12 || line[12] == 0x20, let status = Self.number(line[9..<12]), status >= 100
        else { throw malformed("no HTTP/1 status line") }
        guard status != 101 else { throw malformed("an upgrade that nobody asked for") }
        self.status = status
    }

    private mutating func takeField(_ line: Slice<UnsafeRawBufferPointer>) throws(HTTPClientError) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(ASCII.isToken)
        else { throw malformed("a header line without a name") }
        var value = line[(colon + 1)...]
        while value.first == 0x20 || value.first == 0x09 { value = value.dropFirst() }
        while value.last == 0x20 || value.last == 0x09 { value = value.dropLast() }
        let name = String(decoding: line[..<colon], as: UTF8.self)
        let text = String(decoding: value, as: UTF8.self)
        fields.append((name, text))
        switch name.lowercased() {
        case "content-length":
            guard let length = Self.number(value) else { throw malformed("Content-Length is no number") }
            guard contentLength == nil || contentLength == length else { throw malformed("two lengths") }
            contentLength = length
        case "transfer-encoding":
            guard !isChunked, text.lowercased() == "chunked" else {
                throw malformed("a transfer coding other than chunked")
            }
            isChunked = true
        default: break
        }
    }

    /// The value of up to 15 decimal digits, and of nothing else.
    private static func number(_ digits: Slice<UnsafeRawBufferPointer>) -> Int? {
        guard (1...15).contains(digits.count), digits.allSatisfy(ASCII.isDigit) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}

func malformed(_ what: String) -> HTTPClientError {
    HTTPClientError(.malformedResponse, "the answer is not HTTP/1.1: \(what)")
}
