import SessionModel

/// The bodies to replay, in order: lines of files, repeated and shuffled as asked.
final class ReplaySource {
    private let lines: InputLines
    private let repeatProbability: Double
    private var random: SeededRandom
    private var again: [UInt8]?
    /// All bodies in reverse, where they had to be shuffled.
    private var shuffled: [[UInt8]]?
    /// Exported records that are no callbacks (our own requests, answers of the Drive API): they can't be posted.
    private(set) var skippedCount = 0

    /// - Throws: an exit code, after the reason was printed.
    init(_ files: [String], shuffleSeed: UInt64?, repeatProbability: Double) throws {
        lines = InputLines(files)
        self.repeatProbability = repeatProbability
        random = SeededRandom(seed: shuffleSeed ?? 1)
        guard shuffleSeed != nil else { return }
        var bodies: [[UInt8]] = []
        while let body = try nextInOrder() { bodies.append(body) }
        bodies.shuffle(using: &random)
        shuffled = bodies
    }

    /// The next body, or nil at the end.
    ///
    /// - Throws: an exit code, after the reason was printed.
    func next() throws -> [UInt8]? {
        shuffled == nil ? try nextInOrder() : shuffled?.popLast()
    }

    /// How far the files have been read, in bytes; the total is 0 where it is not known.
    var progress: (done: Int64, total: Int64) {
        (lines.bytesRead, shuffled == nil ? lines.bytesTotal : 0)
    }

    private func nextInOrder() throws -> [UInt8]? {
        if let again {
            self.again = nil
            return again
        }
        while let line = try lines.next() {
            guard let body = Self.body(of: line) else {
                skippedCount += 1
                continue
            }
            if repeatProbability > 0, Double.random(in: 0..<1, using: &random) < repeatProbability { again = body }
            return body
        }
        return nil
    }

    /// The body that a line stands for: the line itself, or the `body` of an exported record; nil where that is no
    /// callback.
    private static func body(of line: [UInt8]) -> [UInt8]? {
        guard line.starts(with: "{\"position\":".utf8), let record = try? CanonicalJSON(parsing: line),
            let body = record.string("body")
        else { return line }
        return record.string("source") ?? "webhook" == "webhook" ? Array(body.utf8) : nil
    }
}
