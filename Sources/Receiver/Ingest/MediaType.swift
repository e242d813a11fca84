internal import Base
import HTTPServer

/// What `Content-Type` and `Content-Encoding` say of a callback's body. On bytes: every callback comes through here.
enum MediaType {
    /// Whether a request's body is JSON. Of several types it would be left to each reader which of them counts.
    static func isJSON(_ head: borrowing RequestHead) -> Bool {
        !head.isRepeated("content-type") && isJSON(head.header("content-type"))
    }

    /// Whether a `Content-Type` value is JSON: `application/json`, or `+json` (RFC 6839), in any case and with any
    /// parameters. No header counts as JSON: an event is sent once, and its content decides.
    static func isJSON(_ value: UnsafeRawBufferPointer?) -> Bool {
        guard let value else { return true }
        let end = value.firstIndex(of: UInt8(ascii: ";")) ?? value.endIndex
        let essence = UnsafeRawBufferPointer(rebasing: value[..<end]).trimmingOptionalWhitespace
        return essence.equalsIgnoringCase("application/json") || essence.equalsIgnoringCase("text/json")
            || essence.beginsIgnoringCase("application/") && essence.endsIgnoringCase("+json")
    }

    /// The content codings that are understood (RFC 9110 section 8.4).
    enum Coding {
        case identity
        case gzip
    }

    /// The coding of a request's body, nil for one that is not understood, and for one on top of another.
    static func contentCoding(of head: borrowing RequestHead) -> Coding? {
        guard let value = head.header("content-encoding") else { return .identity }
        return head.isRepeated("content-encoding") ? nil : contentCoding(value)
    }

    /// The coding of a `Content-Encoding` value, nil for one that is not understood.
    static func contentCoding(_ value: UnsafeRawBufferPointer?) -> Coding? {
        guard let value else { return .identity }
        let coding = value.trimmingOptionalWhitespace
        if coding.isEmpty || coding.equalsIgnoringCase("identity") { return .identity }
        return coding.equalsIgnoringCase("gzip") || coding.equalsIgnoringCase("x-gzip") ? .gzip : nil
    }
}
