/// Writes the Prometheus text exposition format, version 0.0.4.
struct MetricsPage {
    private(set) var text = ""

    enum Kind: String {
        case counter, gauge, histogram
    }

    /// One metric with a sample for each set of labels (already in the form `name="value",…`; empty for none).
    mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [(labels: String, value: String)]) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            text += sample.labels.isEmpty ? "\(name) \(sample.value)\n" : "\(name){\(sample.labels)} \(sample.value)\n"
        }
    }

    mutating func add<Value: BinaryInteger>(_ name: String, _ kind: Kind, _ help: String, _ value: Value) {
        add(name, kind, help, [("", String(value))])
    }

    mutating func add(_ name: String, _ help: String, _ histogram: DurationHistogram) {
        let (cumulative, sum) = histogram.snapshot()
        text += "# HELP \(name) \(help)\n# TYPE \(name) histogram\n"
        for (index, count) in cumulative.enumerated() {
            let bounds = DurationHistogram.boundsMicroseconds
            let bound = index < bounds.count ? Self.seconds(bounds[index]) : "+Inf"
            text += "\(name)_bucket{le=\"\(bound)\"} \(count)\n"
        }
        text += "\(name)_sum \(Self.seconds(sum))\n\(name)_count \(cumulative.last ?? 0)\n"
    }

    private static func seconds(_ microseconds: UInt64) -> String {
        String(Double(microseconds) / 1_000_000)
    }
}
