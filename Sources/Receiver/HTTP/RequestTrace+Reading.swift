import DriveAPI
import HTTPServer

/// Only of a form that is safe in a log line and in a field of our own requests; anything else is passed over.
extension RequestTrace {
    static var idBytesMax: Int { 128 }
    private static var traceparentBytes: Int { 55 }

    init(_ head: borrowing RequestHead) {
        let isRepeated = head.isRepeated("traceparent")
        self.init(
            id: Self.id(of: head),
            traceparent: isRepeated ? nil : head.header("traceparent").flatMap { Self.traceparent($0) })
    }

    static func id(of head: borrowing RequestHead) -> String? {
        guard let value = head.header("x-request-id"), !head.isRepeated("x-request-id") else { return nil }
        return id(value)
    }

    /// The characters of UUIDs, base64 and the usual separators.
    static func id(_ value: some Collection<UInt8>) -> String? {
        let isSafe = value.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        return isSafe && 1...idBytesMax ~= value.count ? String(decoding: value, as: UTF8.self) : nil
    }

    /// `00-` 32 hexadecimal digits `-` 16 `-` 2 (W3C Trace Context, section 3.2).
    static func traceparent(_ value: some Collection<UInt8>) -> String? {
        let dashes = [2, 35, 52]
        let isSafe = value.enumerated().allSatisfy { index, byte in
            if dashes.contains(index) { return byte == UInt8(ascii: "-") }
            return UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte
        }
        return isSafe && value.count == traceparentBytes ? String(decoding: value, as: UTF8.self) : nil
    }
}
