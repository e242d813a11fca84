internal import Base
import Glibc

/// A line on the terminal that shows how far long work has come. Says nothing where standard error is no terminal.
final class ProgressBar {
    private static let width = 30
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastDrawnNanoseconds: UInt64 = 0

    /// - Parameter total: 0 where it is not known.
    func show(_ label: String, done: Int64, total: Int64, note: String = "") {
        guard isTerminal, isDue() || done == total else { return }
        var line = "\r\(label) "
        if total > 0 {
            let filled = Int(min(done, total)) * Self.width / Int(total)
            line += "[" + String(repeating: "#", count: filled)
            line += String(repeating: ".", count: Self.width - filled) + "] \(done * 100 / total) % "
        }
        line += "\(done)\(note.isEmpty ? "" : "  \(note)")\u{1B}[K"
        put(line)
    }

    func clear() {
        if isTerminal { put("\r\u{1B}[K") }
    }

    /// At most ten times a second.
    private func isDue() -> Bool {
        let now = SystemClock.monotonicNanoseconds()
        guard now - lastDrawnNanoseconds > 100_000_000 else { return false }
        lastDrawnNanoseconds = now
        return true
    }

    private func put(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
