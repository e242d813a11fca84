package import EventLog
package import Ledger
package import SessionIndex

/// What a data directory's rooms are told.
package struct StoreOptions: Sendable {
    package var log = LogOptions()
    package var index = IndexOptions()
    package var ledger = LedgerOptions()

    /// Make the data directory where there is none, or nothing of ours in it. Off for tools, to which a misspelt path must
    /// not look like an empty store.
    package var makesDirectory = true
    /// Go on with a log that is missing, shorter or another one than the rest of the directory remembers; the session rows
    /// are moved aside then, and made again.
    package var acceptsLostLog = false
    /// Milliseconds between two notes in the ledger of how far the log goes.
    package var noteMilliseconds = 5_000

    /// Undoes the content coding of a quarantined body; nil where there is none, or it is damaged or too large.
    package var unpackQuarantined: @Sendable ([UInt8]) -> [UInt8]? = { _ in nil }
    /// Milliseconds until an erasure that failed is tried again.
    package var erasureRetryMilliseconds = 15_000
    /// Called at each step of an erasure, on the erasing queue. For tests, which choose the moment of a crash with it.
    package var erasureHook: (@Sendable (ErasureStep) -> Void)?

    package init() {}

    /// Lets the queue take a whole batch of somebody who waits for it, whatever its bounds are for callbacks.
    package mutating func makeRoom(forBatchesOf count: Int) {
        log.queueCountMax = max(log.queueCountMax, 2 * count)
        log.queueBytesMax = max(log.queueBytesMax, 1 << 30)
    }
}
