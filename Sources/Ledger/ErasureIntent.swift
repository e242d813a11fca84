/// An erasure that has been asked for and is not finished.
package struct ErasureIntent: Sendable, Equatable {
    package enum Stage: Int64, Sendable {
        case asked = 0
        /// The sessions are known.
        case planned = 1
        /// Nothing is left that names anybody.
        case forgotten = 2
    }

    package let id: Int64
    /// The user's id; nil where sessions are removed because of their age, and once it is forgotten.
    package let userId: String?
    /// Deliveries up to this position in the log are erased.
    package let through: Int64
    package let stage: Stage

    package init(id: Int64, userId: String?, through: Int64, stage: Stage) {
        self.id = id
        self.userId = userId
        self.through = through
        self.stage = stage
    }
}
