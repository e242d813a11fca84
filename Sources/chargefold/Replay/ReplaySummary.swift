import SessionModel

/// The account of a replay.
struct ReplaySummary {
    private(set) var acceptedCount = 0
    private(set) var duplicateCount = 0
    /// Answers other than 200, by status and code.
    private(set) var refused: [String: Int] = [:]
    /// Requests without an answer, by the client's code.
    private(set) var failed: [String: Int] = [:]
    private var latenciesMicroseconds: [UInt32] = []
    /// Why the replay ended early, if it did.
    var stopped: String?

    var answeredCount: Int { latenciesMicroseconds.count }

    /// Whether every event was accepted or known already.
    var isComplete: Bool { refused.isEmpty && failed.isEmpty && stopped == nil }

    mutating func add(status: Int, body: [UInt8], latencyNanoseconds: UInt64) {
        latenciesMicroseconds.append(UInt32(clamping: latencyNanoseconds / 1000))
        guard status != 200 else {
            if body.starts(with: "{\"outcome\":\"duplicate\"".utf8) { duplicateCount += 1 } else { acceptedCount += 1 }
            return
        }
        let problem = try? CanonicalJSON(parsing: body)
        let code = problem?.string("code") ?? problem?.string("type")
        refused["\(status)" + (code.map { " \($0)" } ?? ""), default: 0] += 1
    }

    mutating func addFailure(_ code: String) {
        failed[code, default: 0] += 1
    }

    func text(seconds: Double, skipped: [String: Int]) -> String {
        var lines = [
            "accepted   \(acceptedCount)",
            "duplicate  \(duplicateCount)",
            "refused    \(Self.counts(refused))",
            "failed     \(Self.counts(failed))",
        ]
        if !skipped.isEmpty {
            lines.append("skipped    \(Self.counts(skipped)): no callbacks; `chargefold import` takes them")
        }
        let perSecond = seconds > 0 ? Int(Double(answeredCount) / seconds) : 0
        lines.append("time       \(Self.decimals(seconds, 2)) s, \(perSecond) events/s")
        let sorted = latenciesMicroseconds.sorted()
        if let longest = sorted.last {
            let median = sorted[sorted.count / 2]
            let percentile99 = sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
            let figures = [("p50", median), ("p99", percentile99), ("max", longest)].map { name, microseconds in
                "\(name) \(Self.decimals(Double(microseconds) / 1000, 2)) ms"
            }
            lines.append("latency    " + figures.joined(separator: ", "))
        }
        if let stopped { lines.append("stopped    \(stopped)") }
        return lines.joined(separator: "\n")
    }

    private static func counts(_ counts: [String: Int]) -> String {
        let total = counts.values.reduce(0, +)
        guard total > 0 else { return "0" }
        let texts = counts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        return "\(total) (\(texts.joined(separator: ", ")))"
    }

    private static func decimals(_ value: Double, _ digits: Int) -> String {
        let scale = digits == 2 ? 100.0 : 10.0
        let rounded = Int((value * scale).rounded())
        let fraction = String(rounded % Int(scale))
        return "\(rounded / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
