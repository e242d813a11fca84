/// What somebody remembers of a log: with it a start tells a log that is missing, cut off or another one from a new
/// installation.
package struct KnownLog: Sendable, Equatable {
    package let identity: Identity
    /// The highest position that it is known to have had.
    package let end: Int64

    package init(identity: Identity, end: Int64) {
        self.identity = identity
        self.end = end
    }
}
