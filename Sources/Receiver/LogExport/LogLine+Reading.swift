internal import Base
package import SessionIndex
internal import SessionModel

extension Delivery {
    /// Reads a line that `export` wrote: the delivery that it was, with the time of its arrival.
    /// - Returns: nil where the line is none of them, or this release cannot read its body.
    package init?(exportedLine line: [UInt8]) {
        guard let record = try? CanonicalJSON(parsing: line), let body = record.string("body").map({ Array($0.utf8) }),
            let receivedAt = record.string("receivedAt").flatMap({ Instant(rfc3339: $0) }),
            let name = record.string("source"),
            let source = FactSource.allCases.first(where: { "\($0.name)" == name })
        else { return nil }
        var limits = EventLimits()
        limits.bodyBytesMax = .max
        guard let event = try? SessionEvent.decode(body, source: source, limits: limits) else { return nil }
        self.init(event: event, body: body, receivedAt: receivedAt)
    }
}
