internal import Base

/// A place between two facts of a session, in fold order: behind the n-th fact of an instant. So that a fact which becomes
/// known later moves nobody's place, unless it is of the same instant.
package struct FactPlace: Sendable, Hashable {
    private let timestamp: Instant
    private let count: Int

    init(behind index: Int, in facts: [Fact]) {
        timestamp = facts[index].timestamp
        count = index - facts.firstIndex(notBefore: timestamp) + 1
    }

    /// nil where the text is no place.
    package init?(_ text: String) {
        let numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { Int64($0) }
        guard numbers.count == 3, let seconds = numbers[0], let nanoseconds = numbers[1], let count = numbers[2],
            0..<1_000_000_000 ~= nanoseconds, 1...Int64(Int32.max) ~= count
        else { return nil }
        timestamp = Instant(seconds: seconds, nanoseconds: Int32(nanoseconds))
        self.count = Int(count)
    }

    package var text: String { "\(timestamp.seconds).\(timestamp.nanoseconds).\(count)" }

    /// Where the facts behind the place begin.
    func index(in facts: [Fact]) -> Int {
        var index = facts.firstIndex(notBefore: timestamp)
        var rest = count
        while rest > 0, index < facts.count, facts[index].timestamp == timestamp {
            index += 1
            rest -= 1
        }
        return index
    }
}

extension [Fact] {
    /// Of facts in fold order: the first one at an instant or later.
    fileprivate func firstIndex(notBefore instant: Instant) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].timestamp < instant { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension SessionRecord {
    /// Every fact in fold order, and why it did or did not decide.
    package var factsJSON: [UInt8] { factsJSON(after: nil, limit: .max, bytesMax: .max) }

    /// The answer of `GET /v1/sessions/{sessionId}/facts`: facts in fold order, and why they did or did not decide. Where
    /// there are more, `next` says behind which place they begin.
    ///
    /// - Parameters:
    ///   - limit: facts at most; at least 1.
    ///   - bytesMax: no further fact is begun beyond it, so that the answer may be longer by one.
    ///   - durability: tells of the delivery at a place whether others have it; nil where there are none.
    ///   - body: finds the body that a fact came in, to be shown with it.
    package func factsJSON(
        after place: FactPlace?, limit: Int, bytesMax: Int, durability: ((Place) -> String)? = nil,
        body: ((Fact) -> String?)? = nil
    ) -> [UInt8] {
        let start = place?.index(in: facts) ?? 0
        var writer = JSONWriter(capacity: 256 + min(limit, facts.count - start) * 384)
        let decision = decisionReason
        writer.beginObject()
        writer.field("sessionId", sessionId)
        writer.key("sessionStatus")
        writer.status(state.status)
        writer.field("version", state.version)
        writer.key("decision")
        writer.beginObject()
        writer.reason(decision)
        writer.endObject()
        writer.key("facts")
        writer.beginArray()
        var index = start
        while index < facts.count, index - start < limit, writer.count < bytesMax {
            let fact = facts[index]
            writer.beginObject()
            fact.writeMembers(to: &writer)
            writer.field("decided", index == state.decidingIndex)
            writer.reason(reason(ofFactAt: index, decision: decision))
            if let durability { writer.field("durability", durability(fact.first.place)) }
            if let body = body?(fact) { writer.field("body", body) }
            writer.endObject()
            index += 1
        }
        writer.endArray()
        if index < facts.count, index > start {
            writer.field("next", FactPlace(behind: index - 1, in: facts).text)
        }
        writer.endObject()
        return writer.bytes
    }
}

extension Fact {
    func writeMembers(to writer: inout JSONWriter) {
        writer.key("event")
        writer.name(name)
        if let status {
            writer.key("status")
            writer.status(status)
        }
        writer.field("source", source.name)
        writer.field("timestamp", timestamp)
        writer.field("receivedAt", receivedAt)
        writer.field("deliveries", deliveries)
        writer.key("payload")
        writer.json(payload)
    }
}

extension JSONWriter {
    fileprivate mutating func reason(_ reason: DecisionReason) {
        key("reason")
        string(reason.rawValue)
        key("explanation")
        string(reason.explanation)
    }
}
