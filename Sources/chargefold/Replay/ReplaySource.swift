import SessionModel

/// A callback as upstream has sent it.
struct ReplayedCallback {
    /// Which of the webhooks it goes to.
    enum Webhook {
        case sessionEvents
        case records
    }

    let webhook: Webhook
    let body: [UInt8]
}

/// The callbacks to replay, in order: lines of files, repeated and shuffled as asked.
final class ReplaySource {
    private let lines: InputLines
    private let repeatProbability: Double
    private var random: SeededRandom
    private var again: ReplayedCallback?
    /// All of them in reverse, where they had to be shuffled.
    private var shuffled: [ReplayedCallback]?
    /// Exported deliveries that are no callbacks (our own requests, answers of the Drive API), by their source: they can't be
    /// posted.
    private(set) var skipped: [String: Int] = [:]

    /// - Throws: an exit code, after the reason was printed.
    init(_ files: [String], shuffleSeed: UInt64?, repeatProbability: Double) throws {
        lines = InputLines(files)
        self.repeatProbability = repeatProbability
        random = SeededRandom(seed: shuffleSeed ?? 1)
        guard shuffleSeed != nil else { return }
        var callbacks: [ReplayedCallback] = []
        while let callback = try nextInOrder() { callbacks.append(callback) }
        callbacks.shuffle(using: &random)
        shuffled = callbacks
    }

    /// The next callback, or nil at the end.
    ///
    /// - Throws: an exit code, after the reason was printed.
    func next() throws -> ReplayedCallback? {
        shuffled == nil ? try nextInOrder() : shuffled?.popLast()
    }

    /// How far the files have been read, in bytes; the total is 0 where it is not known.
    var progress: (done: Int64, total: Int64) {
        (lines.bytesRead, shuffled == nil ? lines.bytesTotal : 0)
    }

    private func nextInOrder() throws -> ReplayedCallback? {
        if let again {
            self.again = nil
            return again
        }
        while let line = try lines.next() {
            guard let callback = callback(of: line) else { continue }
            if repeatProbability > 0, Double.random(in: 0..<1, using: &random) < repeatProbability { again = callback }
            return callback
        }
        return nil
    }

    /// What a line stands for: the line itself, a session event, or the callback of an exported delivery; nil where that is
    /// none.
    private func callback(of line: [UInt8]) -> ReplayedCallback? {
        guard line.starts(with: "{\"position\":".utf8), let delivery = try? CanonicalJSON(parsing: line),
            let body = delivery.string("body")
        else { return ReplayedCallback(webhook: .sessionEvents, body: line) }
        let source = delivery.string("source") ?? FactSource.webhook.name.description
        switch source {
        case FactSource.webhook.name.description:
            return ReplayedCallback(webhook: .sessionEvents, body: Array(body.utf8))
        case FactSource.cdr.name.description:
            // The log keeps the record as it came within the body of its fact.
            if let record = ChargeDetailRecord.verbatim(inFactBody: Array(body.utf8)) {
                return ReplayedCallback(webhook: .records, body: Array(record.utf8))
            }
        default: break
        }
        skipped[source, default: 0] += 1
        return nil
    }
}
