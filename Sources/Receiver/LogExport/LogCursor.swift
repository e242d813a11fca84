import Base
import SessionIndex
import SessionStore

/// How far the log was read, and in which history: a log that was set back and continued has other deliveries at the same
/// positions. `123-1a2b3c4d`; `0` is the beginning of every log.
struct LogCursor: Hashable, Sendable {
    var position: Int64
    /// Tells the history up to the position; nil where nobody could say.
    var history: UInt32?

    init(position: Int64, seal: UInt64) {
        self.position = position
        history = seal == 0 ? nil : UInt32(truncatingIfNeeded: seal >> 32)
    }

    static let start = LogCursor(position: 0, seal: 0)

    init?(_ text: some StringProtocol) {
        let pieces = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard pieces[0].utf8.allSatisfy(ASCII.isDigit), let position = Int64(pieces[0]) else {
            return nil
        }
        self.position = position
        guard pieces.count == 2 else { return }
        let digits = pieces[1].utf8
        guard digits.count == 8, digits.allSatisfy({ ASCII.isDigit($0) || (0x61...0x66).contains($0) }),
            let history = UInt32(pieces[1], radix: 16)
        else { return nil }
        self.history = history
    }

    var text: String {
        guard let history else { return "\(position)" }
        let digits = String(history, radix: 16)
        return "\(position)-" + String(repeating: "0", count: 8 - digits.utf8.count) + digits
    }

    /// Whether a store's log has this history.
    /// - Throws: where the log cannot be read.
    func isOfHistory(of store: any SessionStore) throws(StoreError) -> Bool {
        if position == 0 { return true }
        guard let history, let seal = try store.seal(at: position) else { return false }
        return history == LogCursor(position: position, seal: seal).history
    }
}

extension SessionStore {
    /// The cursor at a position of the log.
    func cursor(at position: Int64) -> LogCursor {
        LogCursor(position: position, seal: ((try? seal(at: position)) ?? nil) ?? 0)
    }
}
