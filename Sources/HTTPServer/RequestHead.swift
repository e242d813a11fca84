internal import Base

/// Where a header field lies in the bytes of its message.
package struct FieldRange: Sendable, Hashable {
    let nameStart: UInt32
    let nameEnd: UInt32
    let valueStart: UInt32
    let valueEnd: UInt32
}

/// The head of a request, as views into the connection's bytes: valid only during the call that it is given to.
package struct RequestHead: ~Copyable {
    let base: UnsafeRawPointer
    let lines: RequestLines
    let fields: [FieldRange]

    package init(base: UnsafeRawPointer, lines: RequestLines, fields: [FieldRange]) {
        self.base = base
        self.lines = lines
        self.fields = fields
    }

    func bytes(_ start: UInt32, _ end: UInt32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(start), count: Int(end - start))
    }

    /// The method as it came; its case matters.
    package var method: UnsafeRawBufferPointer { bytes(lines.methodStart, lines.methodEnd) }

    /// The path of the target, still percent-encoded; never empty (`*` for `OPTIONS *`).
    package var path: UnsafeRawBufferPointer {
        // An absolute target without a path means `/`, or `*` for OPTIONS without a query (RFC 9112 section 3.2.4).
        guard lines.pathStart < lines.pathEnd else {
            return isMethod("OPTIONS") && !lines.hasQuery ? Self.constant("*") : Self.constant("/")
        }
        return bytes(lines.pathStart, lines.pathEnd)
    }

    /// The query of the target without its `?`, still percent-encoded; nil without one.
    package var query: UnsafeRawBufferPointer? {
        lines.hasQuery ? bytes(lines.queryStart, lines.targetEnd) : nil
    }

    /// The minor version: 0 or 1 (later ones count as 1).
    package var minorVersion: UInt8 { lines.minorVersion }

    /// Whether the request has a Content-Length or is chunked. Without either it has no body.
    package var hasBodyFraming: Bool { lines.framing != .none }

    /// The announced length of the body in bytes; nil when it is chunked or there is none.
    package var contentLength: Int? {
        if case .length(let count) = lines.framing { count } else { nil }
    }

    package var isChunked: Bool { lines.framing == .chunked }

    /// Number of header fields.
    package var fieldCount: Int { fields.count }

    /// Name (as it came) and value (without surrounding whitespace) of a field, in the order of the message.
    package func field(_ index: Int) -> (name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        let field = fields[index]
        return (bytes(field.nameStart, field.nameEnd), bytes(field.valueStart, field.valueEnd))
    }

    /// The value of the first field with that name, which must be given in lower case.
    package func header(_ name: StaticString) -> UnsafeRawBufferPointer? {
        for field in fields where matches(field, name) {
            return bytes(field.valueStart, field.valueEnd)
        }
        return nil
    }

    /// The elements of a list, from all fields with that name, as one value (RFC 9110 section 5.3); `name` in lower case.
    package func list(_ name: StaticString) -> [UInt8]? {
        var list: [UInt8]?
        for field in fields where matches(field, name) {
            let value = bytes(field.valueStart, field.valueEnd)
            list = list.map { $0 + [UInt8(ascii: ",")] + value } ?? Array(value)
        }
        return list
    }

    /// How often a field is given; `name` in lower case.
    package func count(of name: StaticString) -> Int {
        var count = 0
        for field in fields where matches(field, name) { count += 1 }
        return count
    }

    /// Whether a field is given more than once; `name` in lower case.
    package func isRepeated(_ name: StaticString) -> Bool {
        count(of: name) > 1
    }

    private func matches(_ field: FieldRange, _ name: StaticString) -> Bool {
        bytes(field.nameStart, field.nameEnd).equalsIgnoringCase(name)
    }

    /// Whether the method is the given one; its case matters.
    package func isMethod(_ name: StaticString) -> Bool {
        method.equals(name)
    }

    /// Whether the path is the given one, byte for byte.
    package func isPath(_ path: StaticString) -> Bool {
        self.path.equals(path)
    }

    private static func constant(_ text: StaticString) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}

/// A request with its body. Valid only during the call that it is given to.
package struct Request: ~Copyable {
    package let head: RequestHead
    /// The content, free of its transfer coding.
    package let body: UnsafeRawBufferPointer
}

/// How the end of a body is found (RFC 9112 section 6.3).
package enum BodyFraming: Sendable, Hashable {
    case none
    case length(Int)
    case chunked
}

/// What the parser found in the request line, and what the fields say about the message.
package struct RequestLines: Sendable, Hashable {
    var methodStart: UInt32 = 0
    var methodEnd: UInt32 = 0
    var targetStart: UInt32 = 0
    var targetEnd: UInt32 = 0
    var pathStart: UInt32 = 0
    var pathEnd: UInt32 = 0
    var queryStart: UInt32 = 0
    var hasQuery = false
    var isAbsolute = false
    var minorVersion: UInt8 = 1
    var isHead = false
    var keepsAlive = true
    var expectsContinue = false
    var framing = BodyFraming.none
}
