#if canImport(Glibc)
package import Base
import Glibc
#endif

/// The canonical text of a JSON value. Two texts of the same value have the same canonical text.
///
/// - Objects: members sorted by the UTF-8 bytes of their names; no white space anywhere.
/// - Strings: UTF-8, with no more escapes than RFC 8259 demands (`\b \f \n \r \t \" \\`, otherwise `\u00xx`). No Unicode
///   normalisation: strings of different code points are different values.
/// - Numbers: the exact decimal value, never rounded. 1, 1.0, 1e0 and 10e-1 are all `1`; -0 is `0`. Where more than 21
///   digits stand before the point, or more than five zeros behind it, in the form `1.5e-7`.
package struct CanonicalJSON: Hashable, Comparable, Sendable {
    package let bytes: [UInt8]

    /// `{}`
    package static let emptyObject = CanonicalJSON(canonical: [0x7B, 0x7D])

    /// - Parameter canonical: text that is known to be canonical. Reading other text through this type is safe, but what
    ///   is read means nothing.
    init(canonical bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Parses and canonicalises a text in one pass.
    package init(parsing text: UnsafeRawBufferPointer, depthMax: Int = 64) throws(JSONError) {
        var canonicalizer = JSONCanonicalizer(text, depthMax: depthMax)
        try canonicalizer.parseDocument()
        bytes = canonicalizer.output.array
    }

    package init(parsing text: [UInt8], depthMax: Int = 64) throws(JSONError) {
        self = try text.withUnsafeBufferPointer { buffer throws(JSONError) in
            try CanonicalJSON(parsing: UnsafeRawBufferPointer(buffer), depthMax: depthMax)
        }
    }

    package init(parsing text: String, depthMax: Int = 64) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), depthMax: depthMax)
    }

    /// The text as a String.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// By bytes; a total order that depends on the value alone.
    package static func < (left: CanonicalJSON, right: CanonicalJSON) -> Bool {
        left.compare(right) < 0
    }

    package static func == (left: CanonicalJSON, right: CanonicalJSON) -> Bool {
        left.bytes == right.bytes
    }

    /// Negative, zero or positive, as memcmp.
    func compare(_ other: CanonicalJSON) -> Int {
        bytes.withUnsafeBytes { left in
            other.bytes.withUnsafeBytes { right in compareBytes(left, right) }
        }
    }

    /// The member of an object, or nil where this is no object or has no such member.
    package func member(_ name: StaticString) -> CanonicalJSON? {
        bytes.withUnsafeBytes { buffer in
            guard let range = JSONReader(buffer).member(name) else { return nil }
            return CanonicalJSON(canonical: Array(buffer[range]))
        }
    }

    /// The elements of an array; none where this is no array.
    package var elements: [CanonicalJSON] {
        bytes.withUnsafeBytes { buffer in
            var elements: [CanonicalJSON] = []
            JSONReader(buffer).forEachElement(in: 0..<buffer.count) {
                elements.append(CanonicalJSON(canonical: Array(buffer[$0])))
            }
            return elements
        }
    }

    /// The value where it is a string.
    package var string: String? {
        bytes.withUnsafeBytes { JSONReader($0).string(in: 0..<$0.count) }
    }

    /// The member of an object where it is a string.
    package func string(_ name: StaticString) -> String? {
        bytes.withUnsafeBytes { buffer in
            let reader = JSONReader(buffer)
            return reader.member(name).flatMap { reader.string(in: $0) }
        }
    }

    /// The member of an object where it is a string that holds an RFC 3339 timestamp.
    package func instant(_ name: StaticString) -> Instant? {
        bytes.withUnsafeBytes { buffer in
            let reader = JSONReader(buffer)
            return reader.member(name).flatMap { reader.instant(in: $0) }
        }
    }
}

/// Negative, zero or positive; a prefix comes before what it begins.
func compareBytes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
    let common = min(left.count, right.count)
    if common > 0, let leftStart = left.baseAddress, let rightStart = right.baseAddress {
        let difference = memcmp(leftStart, rightStart, common)
        if difference != 0 { return Int(difference) }
    }
    return left.count - right.count
}

/// Negative, zero or positive, by UTF-8 bytes. (`String`'s own comparison takes canonically equivalent texts for equal;
/// identifiers of other systems are only equal where their bytes are.)
func compareUTF8(_ left: String, _ right: String) -> Int {
    var left = left
    var right = right
    return left.withUTF8 { leftBytes in
        right.withUTF8 { rightBytes in
            compareBytes(UnsafeRawBufferPointer(leftBytes), UnsafeRawBufferPointer(rightBytes))
        }
    }
}
