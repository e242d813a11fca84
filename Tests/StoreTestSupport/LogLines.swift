internal import Base
package import Logging

/// What was logged, as lines of level and text.
package final class LogLines: Sendable {
    private let all = Locked<[String]>([])

    package init() {}

    package var lines: [String] { all.withLock { $0 } }
    package var critical: [String] { lines.filter { $0.hasPrefix("critical") } }

    package var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private func add(_ line: String) { all.withLock { $0.append(line) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let values = (event.metadata ?? [:]).map { "\($0.key)=\($0.value)" }.sorted()
            lines.add("\(event.level) \(event.message) \(values.joined(separator: " "))")
        }
    }
}
