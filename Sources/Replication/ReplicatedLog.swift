package import Base

/// One delivery as the shared log has it.
package struct SharedDelivery: Sendable, Equatable {
    /// Which of its origin's deliveries, from 1.
    package let sequence: Int64
    package let receivedMicroseconds: Int64
    /// As the log has it; `erased` and `lost` have no body. Their place stays, so that an origin has no gaps.
    package let source: UInt8
    package let body: [UInt8]

    /// What was here was erased.
    package static let erased: UInt8 = 255
    /// What was here was lost before it was shipped: its row was damaged.
    package static let lost: UInt8 = 254

    package init(sequence: Int64, receivedMicroseconds: Int64, source: UInt8, body: [UInt8]) {
        self.sequence = sequence
        self.receivedMicroseconds = receivedMicroseconds
        self.source = source
        self.body = body
    }

    /// A place that stays without what was there.
    package static func tombstone(_ source: UInt8, at sequence: Int64) -> SharedDelivery {
        SharedDelivery(sequence: sequence, receivedMicroseconds: 0, source: source, body: [])
    }
}

/// What replication needs of a data directory. From any thread, unless said otherwise.
package protocol ReplicatedLog: AnyObject, Sendable {
    /// Of what is received here from now on. Changes by `beginOrigin` alone.
    var origin: Identity { get }

    /// Durable here: for each origin, own ones too, the sequence up to which everything is here.
    var frontier: [Identity: Int64] { get }

    /// Runs `body` once everything up to a frontier is in the records: now, or later on the queue that folds.
    /// - Returns: cancels that, and returns false where it was too late; nil where it has run already.
    func whenFolded(_ frontier: [Identity: Int64], _ body: @escaping @Sendable () -> Void) -> (@Sendable () -> Bool)?

    /// The last of an origin's deliveries that has been here, whether or not damage has taken some before it; 0 where none
    /// has. Own ones are shipped up to there: what is gone goes as a tombstone and blocks nothing.
    func last(of origin: Identity) -> Int64

    /// The deliveries of an origin behind `sequence`, in order and gap-free: what is gone comes as a tombstone. At least
    /// one where there is one, otherwise within both bounds. Blocks.
    func deliveries(
        of origin: Identity, after sequence: Int64, countMax: Int, bytesMax: Int
    ) throws(StoreError) -> [SharedDelivery]

    /// Logs what others have received, tombstones too: consecutive, beginning at the frontier + 1 or before. What is known
    /// already is passed over. Done when durable and folded.
    /// - Throws: `queueFull` where the caller should try again later.
    func append(_ deliveries: [SharedDelivery], of origin: Identity) async throws(StoreError)

    /// Logs deliveries once more as received here, at places of the own origin, with the times that they have. For those
    /// whose place turned out to be another's. Done when durable and folded.
    func appendAnew(_ deliveries: [SharedDelivery]) async throws(StoreError)

    /// Gives what is received from now on a new origin. It is durable before this returns. Blocks.
    func beginOrigin() throws(StoreError) -> Identity

    /// Sets who is told of own deliveries right before they are written, in the order of their sequences; on the log's queue,
    /// so it must return soon. nil: nobody. So that they are shipped while they are made durable, and need not be read again.
    /// Where that fails the next ones are of another origin: no place is told of with two contents.
    func observeOwn(_ observer: (@Sendable (_ origin: Identity, _ deliveries: [SharedDelivery]) -> Void)?)
}

/// What the data directory keeps for replication beside the log (the ledger has it). Both block.
package protocol ReplicationMemory: Sendable {
    /// What was saved last; nil where nothing was, or it is damaged.
    func load() throws(StoreError) -> [UInt8]?

    /// Takes the place of what was saved before. Durable when this returns. Some hundred bytes, seldom.
    func save(_ memory: [UInt8]) throws(StoreError)
}
