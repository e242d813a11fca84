internal import Base
import Glibc
package import Logging
import SessionModel

/// A swift-log handler that renders lines as JSON or text. Metadata keys are sorted, so that lines compare well.
package struct ReceiverLogHandler: LogHandler {
    /// What this logger alone was set to; nil: as the writer says.
    private var ownLevel: Logger.Level?
    package var logLevel: Logger.Level {
        get { ownLevel ?? writer.level }
        set { ownLevel = newValue }
    }
    package var metadata: Logger.Metadata = [:]
    private let format: ReceiverConfiguration.Log.Format
    private let writer: LogWriter

    package init(format: ReceiverConfiguration.Log.Format, level: Logger.Level, writer: LogWriter) {
        self.format = format
        self.writer = writer
        writer.level = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = metadata
        if let own = event.metadata { fields.merge(own) { $1 } }
        let sorted = fields.map { ($0.key, "\($0.value)") }.sorted { $0.0 < $1.0 }
        let time = SystemClock.now().rfc3339
        switch format {
        case .json: writer.write(line: Self.jsonLine(time: time, event: event, fields: sorted))
        case .text: writer.write(line: Self.textLine(time: time, event: event, fields: sorted))
        }
    }

    private static func jsonLine(time: String, event: LogEvent, fields: [(String, String)]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("time", time)
        writer.field("level", event.level.rawValue)
        writer.field("message", "\(event.message)")
        for (key, value) in fields { writer.field(name: key, value) }
        writer.endObject()
        return writer.bytes
    }

    private static func textLine(time: String, event: LogEvent, fields: [(String, String)]) -> [UInt8] {
        var line = "\(time) \(event.level.rawValue) \(printable("\(event.message)", quoteSpaces: false))"
        for (key, value) in fields { line += " \(key)=\(printable(value, quoteSpaces: true))" }
        return Array(line.utf8)
    }

    /// A value that cannot break a line or forge another: control characters are escaped, spaces are quoted.
    private static func printable(_ text: String, quoteSpaces: Bool) -> String {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\"") }
        if isPlain && !text.isEmpty { return text }
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"" where quoteSpaces: escaped += "\\\""
            case "\n": escaped += "\\n"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                escaped += "\\x" + String(scalar.value + 0x100, radix: 16).dropFirst()
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return quoteSpaces ? "\"\(escaped)\"" : escaped
    }
}
