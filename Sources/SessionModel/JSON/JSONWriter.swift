package import Base

/// Writes JSON text, straight into bytes.
///
/// Members appear in the order in which they are written. The caller closes what it opens; strings are always escaped
/// as RFC 8259 demands.
package struct JSONWriter: ~Copyable {
    private var output: ByteBuffer
    private var needsComma = false

    package init(capacity: Int = 512) {
        output = ByteBuffer(capacity: capacity)
    }

    private init(scratch: UnsafeMutableRawBufferPointer) {
        output = ByteBuffer(scratch: scratch)
    }

    /// What `write` writes. The only memory that a short text takes is that of the result.
    package static func bytes(_ write: (inout JSONWriter) -> Void) -> [UInt8] {
        withUnsafeTemporaryAllocation(byteCount: scratchBytes, alignment: 1) { scratch in
            var writer = JSONWriter(scratch: scratch)
            write(&writer)
            return writer.bytes
        }
    }

    /// As much as is taken from the stack at most.
    private static let scratchBytes = 1024

    /// What has been written so far, as a copy.
    package var bytes: [UInt8] { output.array }

    /// The number of bytes written so far.
    package var count: Int { output.count }

    /// Forgets what has been written, but keeps the room for it.
    package mutating func removeAll() {
        output.truncate(to: 0)
        needsComma = false
    }

    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// A member's name. It must need no escapes.
    package mutating func key(_ name: StaticString) {
        if needsComma { output.append(UInt8(ascii: ",")) }
        output.append(quoting: name)
        output.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A member's name that is only known at run time.
    package mutating func key(_ name: String) {
        string(name)
        output.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        output.append(quoted: text)
    }

    /// A string that needs no escapes.
    package mutating func string(_ text: StaticString) {
        separate()
        output.append(quoting: text)
    }

    package mutating func integer(_ value: some FixedWidthInteger & SignedInteger) {
        separate()
        output.append(decimal: Int64(clamping: value))
    }

    package mutating func bool(_ value: Bool) {
        literal(value ? "true" : "false")
    }

    package mutating func null() {
        literal("null")
    }

    /// The instant's canonical RFC 3339 text, as a string.
    package mutating func instant(_ instant: Instant) {
        separate()
        output.append(UInt8(ascii: "\""))
        output.append(atMost: 30) { instant.writeText(to: $0) }
        output.append(UInt8(ascii: "\""))
    }

    /// A value that is JSON text already.
    package mutating func json(_ value: CanonicalJSON) {
        separate()
        output.append(value.bytes)
    }

    /// A value that is JSON text already; it is not looked at.
    package mutating func rawJSON(_ text: [UInt8]) {
        separate()
        output.append(text)
    }

    /// Ends a line of NDJSON; the next value starts a new document.
    package mutating func newline() {
        output.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    private mutating func literal(_ text: StaticString) {
        separate()
        output.append(text)
    }

    private mutating func separate() {
        if needsComma { output.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        output.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        output.append(bracket)
        needsComma = true
    }
}

extension ByteBuffer {
    /// Appends a JSON string: quoted, with no more escapes than needed.
    mutating func append(quoted text: String) {
        var text = text
        text.withUTF8 { utf8 in
            let content = UnsafeRawBufferPointer(utf8)
            guard JSONText.needsEscapes(content) else { return append(quoting: content) }
            append(UInt8(ascii: "\""))
            var runStart = 0
            for index in 0..<content.count {
                let byte = content[index]
                guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
                append(content[runStart..<index])
                append(escaped: byte)
                runStart = index + 1
            }
            append(content[runStart...])
            append(UInt8(ascii: "\""))
        }
    }

    /// Appends one ASCII character of a JSON string, escaped where RFC 8259 demands it.
    mutating func append(escaped byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append("\\\"" as StaticString)
        case UInt8(ascii: "\\"): append("\\\\" as StaticString)
        case 0x08: append("\\b" as StaticString)
        case 0x0C: append("\\f" as StaticString)
        case 0x0A: append("\\n" as StaticString)
        case 0x0D: append("\\r" as StaticString)
        case 0x09: append("\\t" as StaticString)
        case 0x00..<0x20:
            let digits: StaticString = "0123456789abcdef"
            append("\\u00" as StaticString)
            append(digits.utf8Start[Int(byte >> 4)])
            append(digits.utf8Start[Int(byte & 15)])
        default: append(byte)
        }
    }

    /// Appends an integer in decimal.
    mutating func append(decimal value: Int64) {
        append(atMost: 20) { digits in
            var rest = value.magnitude
            var start = 20
            repeat {
                start -= 1
                digits[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest != 0
            if value < 0 {
                start -= 1
                digits[start] = UInt8(ascii: "-")
            }
            for index in start..<20 { digits[index - start] = digits[index] }
            return 20 - start
        }
    }
}
