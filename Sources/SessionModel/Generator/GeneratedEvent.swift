internal import Base

/// An event that the generator made up, before it has a text.
struct GeneratedEvent: Sendable {
    var name: String
    var sessionId: String
    var userId: String?
    var timestamp: Instant
    /// Of the timestamp's text, in minutes east of UTC; nil writes `Z`.
    var offsetMinutes: Int?
    /// Six fraction digits, as in the API's older samples, or none.
    var writesMicroseconds: Bool
    var feeType: String?
    var feeWillApplyFrom: Instant?
    var hasUnknownFields: Bool

    /// The body of the callback, with the members in the order of the documented samples.
    ///
    /// - Parameter variant: writes the same fact in another text form.
    func body(variant: Bool = false) -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        if !variant { writeName(to: &writer) }
        writer.key("payload")
        writer.beginObject()
        if variant { writeTimestamp(to: &writer, variant: true) }
        if let userId {
            writer.key("userId")
            writer.string(userId)
        }
        writer.key("sessionId")
        writer.string(sessionId)
        if !variant { writeTimestamp(to: &writer, variant: false) }
        writeFields(to: &writer, variant: variant)
        writer.endObject()
        if variant { writeName(to: &writer) }
        writer.endObject()
        return writer.bytes
    }

    private func writeName(to writer: inout JSONWriter) {
        writer.key("event")
        writer.string(name)
        if hasUnknownFields {
            writer.key("schemaVersion")
            writer.integer(2)
        }
    }

    private func writeTimestamp(to writer: inout JSONWriter, variant: Bool) {
        writer.key("timestamp")
        let offset = variant ? (offsetMinutes == nil ? 120 : nil) : offsetMinutes
        writer.string(Self.text(timestamp, offsetMinutes: offset, microseconds: writesMicroseconds))
    }

    private func writeFields(to writer: inout JSONWriter, variant: Bool) {
        if let feeWillApplyFrom {
            writer.key("feeWillApplyFrom")
            writer.string(Self.text(feeWillApplyFrom, offsetMinutes: nil, microseconds: false))
        }
        if let feeType {
            writer.key("feeType")
            writer.string(feeType)
        }
        if hasUnknownFields {
            writer.key("meter")
            writer.rawJSON(
                Array((variant ? "{\"wh\":184e1,\"phases\":[1.0,2,3]}" : #"{"phases":[1,2,3],"wh":1840}"#).utf8))
            writer.key("note")
            writer.rawJSON(Array((variant ? #""Z\u00fcrich \/ A""# : #""Zürich / A""#).utf8))
        }
    }

    static func text(_ instant: Instant, offsetMinutes: Int?, microseconds: Bool) -> String {
        let offset = offsetMinutes ?? 0
        let shifted = Instant(seconds: instant.seconds + Int64(offset) * 60)
        var text: [UInt8] = []
        shifted.write(rfc3339: &text)
        text.removeLast()
        if microseconds {
            text.append(UInt8(ascii: "."))
            let digits = String(instant.nanoseconds / 1000)
            text.append(contentsOf: repeatElement(0x30, count: 6 - digits.utf8.count))
            text.append(contentsOf: digits.utf8)
        }
        guard offsetMinutes != nil else { return String(decoding: text, as: UTF8.self) + "Z" }
        func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let sign = offset < 0 ? "-" : "+"
        return String(decoding: text, as: UTF8.self)
            + "\(sign)\(twoDigits(abs(offset) / 60)):\(twoDigits(abs(offset) % 60))"
    }
}
