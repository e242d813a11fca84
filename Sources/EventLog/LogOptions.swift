package import Base

/// Every bound of the log. Counts are rows, sizes are bytes.
package struct LogOptions: Sendable {
    /// Rows accepted and not yet answered; beyond it they are refused (`queueFull`).
    package var queueCountMax = 16_384
    /// The same, in bytes of bodies and bookkeeping.
    package var queueBytesMax = 32 << 20
    /// Rows in one commit.
    package var batchCountMax = 4_096
    /// Bytes in one commit.
    package var batchBytesMax = 4 << 20

    /// Bytes of a segment; one may be larger where a single commit is.
    package var segmentBytes = 64 << 20
    /// Room that is written with zeros ahead of the commits, so that these change nothing but data.
    package var preparedBytes = 4 << 20

    /// A write that takes longer counts as stalled: the log says that it is not writable.
    package var stallMilliseconds = 5_000
    /// Milliseconds between two tries to recover while nothing can be written and nobody appends.
    package var probeMilliseconds = 1_000
    /// Milliseconds between two tries to recover at least, however many append meanwhile: they are refused at once.
    package var proofPauseMilliseconds = 100
    /// Milliseconds between two looks whether the files are still where they belong; 0: nobody looks by itself.
    package var watchMilliseconds = 1_000

    /// Before a write and before a sync: an `errno` other than 0 is what becomes of it. Tests inject faults with it.
    package enum WriteStep: Sendable, Equatable {
        /// Of zeros, ahead of the commits: it needs so much more room.
        case prepare(bytes: Int)
        case write, sync
    }
    package typealias WriteHook = @Sendable (WriteStep) -> Int32
    package var writeHook: WriteHook?

    package init() {}
}

/// One row on its way into the log, and whom to tell. A reference, so that passing it on costs one count instead of one for
/// every string and array of a delivery.
package protocol LogItem: AnyObject, Sendable {
    var body: [UInt8] { get }
    /// Microseconds since 1970.
    var receivedMicroseconds: Int64 { get }
    /// 0xFF and 0xFE say that there is no body (any more).
    var source: UInt8 { get }
    /// It is not in the log, or nobody knows. Called once, on the log's queue or on the caller's thread.
    func failed(_ error: StoreError)
}

/// What others have received, on its way into the log: consecutive deliveries of one origin.
package final class PulledRows: Sendable {
    package let origin: Identity
    package let firstSequence: Int64
    package let items: [any LogItem]
    /// Called once: when the rows are durable and the consumer has taken them, on the log's queue; or with why not.
    let completion: @Sendable (Result<Void, StoreError>) -> Void

    package init(
        origin: Identity, firstSequence: Int64, items: [any LogItem],
        completion: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        self.origin = origin
        self.firstSequence = firstSequence
        self.items = items
        self.completion = completion
    }
}

/// Rows that are durable now, and not yet answered.
package struct CommittedBatch: Sendable {
    /// Rows of one origin, with consecutive positions and sequences.
    package struct Entry: Sendable {
        package let items: ArraySlice<any LogItem>
        package let firstPosition: Int64
        package let origin: Identity
        package let firstSequence: Int64
        package let seal: UInt64
        /// Received here.
        package let isOwn: Bool
        /// See `LogRow.isLate`.
        package let isLate: Bool

        package var lastPosition: Int64 { firstPosition + Int64(items.count) - 1 }
        package var lastSequence: Int64 { firstSequence + Int64(items.count) - 1 }
    }

    /// In the order of positions, without a gap. At least one.
    package let entries: [Entry]

    package var count: Int { entries.reduce(0) { $0 + $1.items.count } }
    package var firstPosition: Int64 { entries.first?.firstPosition ?? 0 }
    package var lastPosition: Int64 { entries.last?.lastPosition ?? 0 }
}

/// Who takes what is durable. All calls come on the log's queue.
package protocol LogConsumer: AnyObject, Sendable {
    /// Folds and answers a batch.
    func take(_ batch: CommittedBatch)
    /// Before a batch is taken from the queue.
    /// - Returns: true where there is no room for more now; `body` is called then once there is.
    func waitsForRoom(_ body: @escaping @Sendable () -> Void) -> Bool
}

/// Figures of a running log. Counts are since the log was opened.
package struct LogFigures: Sendable, Equatable {
    package var commits = 0
    package var failures = 0
    package var rows = 0
    /// Bytes of the files, as far as they take place on disk.
    package var bytes: Int64 = 0
    /// Places that were found damaged.
    package var damages = 0
    /// Rows that are known to be lost with them.
    package var missingRows = 0
    /// Files that were removed or replaced while running, and written again.
    package var restorations = 0

    package init() {}
}
