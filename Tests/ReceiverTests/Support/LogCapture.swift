import Glibc
import Logging
import Receiver
import SessionModel

/// Everything that was logged, through the writer that the product uses. Must outlive whoever logs: its descriptor goes
/// with it.
final class LogCapture: Sendable {
    let writer: LogWriter
    private let file: String
    private let descriptor: Int32

    init(in directory: TestDirectory, name: String = "test.log") {
        file = directory.file(name)
        descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        writer = LogWriter(descriptor: descriptor)
    }

    deinit {
        writer.flush()
        close(descriptor)
    }

    func logger(_ format: ReceiverConfiguration.Log.Format = .json) -> Logger {
        let writer = writer
        return Logger(label: "test") { _ in ReceiverLogHandler(format: format, level: .trace, writer: writer) }
    }

    var text: String {
        writer.flush()
        return String(decoding: TestDirectory.read(file), as: UTF8.self)
    }

    /// The lines as JSON; nil in place of one that is none.
    var lines: [CanonicalJSON?] {
        text.split(separator: "\n").map { try? CanonicalJSON(parsing: String($0)) }
    }

    /// The lines with this message.
    func lines(_ message: String) -> [CanonicalJSON] {
        lines.compactMap { $0 }.filter { $0.string("message") == message }
    }
}
