extension ResponseParser {
    /// What a response's head says about the message's length and the connection.
    struct Framing {
        var status = 0
        var keepsAlive = true
        var contentLength: Int?
        var isChunked = false

        /// - Parameter head: status line and fields, up to and with the empty line.
        mutating func parse(_ head: UnsafeRawBufferPointer) throws(HTTPClientError) {
            try parseStatusLine(head)
            var lineStart = (head.firstIndex(of: 0x0A) ?? head.count) + 1
            var hasTransferEncoding = false
            while lineStart < head.count, head[lineStart] != 0x0D {
                let field = try Self.field(head, at: lineStart)
                lineStart = field.next
                // By length first: most fields are none of the three.
                switch field.name.count {
                case 10 where field.name.equals("connection"):
                    if field.value.hasElement("close") {
                        keepsAlive = false
                    } else if field.value.hasElement("keep-alive") {
                        keepsAlive = true
                    }
                case 14 where field.name.equals("content-length"):
                    guard let length = field.value.decimal else { throw malformed("Content-Length is no number") }
                    guard contentLength == nil || contentLength == length else { throw malformed("two lengths") }
                    contentLength = length
                case 17 where field.name.equals("transfer-encoding"):
                    guard !hasTransferEncoding, field.value.equals("chunked") else {
                        throw malformed("a transfer coding other than chunked")
                    }
                    hasTransferEncoding = true
                    isChunked = true
                default: break
                }
            }
            guard contentLength == nil || !isChunked else { throw malformed("both a length and chunks") }
        }

        private mutating func parseStatusLine(_ head: UnsafeRawBufferPointer) throws(HTTPClientError) {
            let version: StaticString = "HTTP/1."
            guard head.count >= 15, (0..<7).allSatisfy({ head[$0] == version.utf8Start[$0] }), head[8] == 0x20,
                head[7] == UInt8(ascii: "0") || head[7] == UInt8(ascii: "1"), head[12] == 0x20 || head[12] == 0x0D,
                let code = UnsafeRawBufferPointer(rebasing: head[9..<12]).decimal, code >= 100
            else { throw malformed("no HTTP/1 status line") }
            status = code
            keepsAlive = head[7] == UInt8(ascii: "1")
        }

        /// The field on the line that starts at `start`, and where the next line starts.
        static func field(
            _ head: UnsafeRawBufferPointer, at start: Int
        ) throws(HTTPClientError) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, next: Int) {
            var colon = start
            while colon < head.count, head[colon] != UInt8(ascii: ":"), head[colon] > 0x20 { colon += 1 }
            guard colon < head.count, colon > start, head[colon] == UInt8(ascii: ":") else {
                throw malformed("a header line without a name")
            }
            var end = colon + 1
            while end < head.count, head[end] != 0x0A {
                guard head[end] != 0 else { throw malformed("a null byte in a header") }
                end += 1
            }
            let next = end + 1
            guard end > colon, head[end - 1] == 0x0D else { throw malformed("a line ends without CR") }
            end -= 1
            var valueStart = colon + 1
            while valueStart < end, head[valueStart] == 0x20 || head[valueStart] == 0x09 { valueStart += 1 }
            while end > valueStart, head[end - 1] == 0x20 || head[end - 1] == 0x09 { end -= 1 }
            let name = UnsafeRawBufferPointer(rebasing: head[start..<colon])
            return (name, UnsafeRawBufferPointer(rebasing: head[valueStart..<end]), next)
        }
    }

    /// The first field of that name (in lower case).
    static func firstField(_ name: StaticString, in head: UnsafeRawBufferPointer) -> String? {
        var lineStart = (head.firstIndex(of: 0x0A) ?? head.count) + 1
        while lineStart < head.count, head[lineStart] != 0x0D, let field = try? Framing.field(head, at: lineStart) {
            if field.name.equals(name) { return String(decoding: field.value, as: UTF8.self) }
            lineStart = field.next
        }
        return nil
    }

    /// All fields of the head, as text.
    var fields: [(name: String, value: String)] {
        head.withUnsafeBytes { head in
            var fields: [(String, String)] = []
            var lineStart = (head.firstIndex(of: 0x0A) ?? head.count) + 1
            while lineStart < head.count, head[lineStart] != 0x0D, let field = try? Framing.field(head, at: lineStart) {
                fields.append(
                    (String(decoding: field.name, as: UTF8.self), String(decoding: field.value, as: UTF8.self)))
                lineStart = field.next
            }
            return fields
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Whether these are the bytes of `text` (in lower case), whatever the case of letters.
    fileprivate func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in indices {
            let byte = self[index]
            let lower = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
            if lower != text.utf8Start[index] { return false }
        }
        return true
    }

    /// Whether `text` is an element of this comma-separated list.
    fileprivate func hasElement(_ text: StaticString) -> Bool {
        split(separator: UInt8(ascii: ",")).contains { element in
            var element = element
            while element.first == 0x20 || element.first == 0x09 { element = element.dropFirst() }
            while element.last == 0x20 || element.last == 0x09 { element = element.dropLast() }
            return UnsafeRawBufferPointer(rebasing: element).equals(text)
        }
    }

    /// The value of decimal digits; `nil` for anything else and for more than 15 digits.
    fileprivate var decimal: Int? {
        guard (1...15).contains(count) else { return nil }
        var value = 0
        for byte in self {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
