package import Base

/// The name of a delivery, the same at every receiver and for ever: the data directory that received it, and its number
/// among that directory's own deliveries. A place's content never changes.
package struct Place: Sendable, Hashable, Comparable {
    /// The identity of the data directory that received the delivery.
    package let origin: Identity
    /// Counts the origin's own deliveries, from 1 on.
    package let sequence: Int64

    package init(origin: Identity, sequence: Int64) {
        self.origin = origin
        self.sequence = sequence
    }

    package static func < (left: Place, right: Place) -> Bool {
        left.origin == right.origin ? left.sequence < right.sequence : left.origin < right.origin
    }
}
