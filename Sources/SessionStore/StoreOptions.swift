/// Every bound of the store. Counts are rows or records, sizes are bytes.
package struct StoreOptions: Sendable {
    /// Deliveries accepted and not yet answered; beyond it `append` returns false.
    package var queueCountMax = 16_384
    /// The same, in bytes of bodies and bookkeeping.
    package var queueBytesMax = 32 << 20
    /// Deliveries in one commit.
    package var batchCountMax = 4_096
    /// Body bytes in one commit.
    package var batchBytesMax = 4 << 20

    /// Size of the journal in bytes; 0: there is none, and every batch is committed to the log at once.
    package var journalBytes = 16 << 20
    /// Deliveries in the journal that are moved to the log together.
    package var moveCount = 256
    /// Milliseconds until fewer are moved.
    package var moveMilliseconds = 100

    /// Session records held in memory that could be read again from disk.
    package var recordsInMemoryMax = 50_000
    /// Estimated bytes of the same.
    package var recordBytesInMemoryMax = 48 << 20

    /// Changed records that start a write of the derived rows.
    package var writeBehindCount = 16_384
    /// Milliseconds from the first change to the write of the derived rows.
    package var writeBehindMilliseconds = 1_000
    /// Changed records not yet written; beyond it deliveries wait in the queue until the writer has caught up, and where it
    /// cannot write, `append` returns false.
    package var unwrittenRecordsMax = 60_000
    /// A write that takes longer counts as stalled: the store says that it is not writable.
    package var stallMilliseconds = 5_000
    /// Log rows not yet covered by derived rows (they are folded again at the next start); beyond it `append` returns false.
    package var tailCountMax = 400_000
    /// Log rows not covered by derived rows that are folded before the opening returns; a longer tail is folded behind
    /// it, while deliveries are accepted and queries are not (`SessionStore.isCatchingUp`). `.max`: none is.
    package var tailBeforeOpeningMax = Int.max
    /// Off: derived rows are written only by `flush()` and `close()`. For tests that choose the moment.
    package var writesBehindAutomatically = true

    /// Reads of sessions that wait for the disk; beyond it `session` answers `queueFull`.
    package var readQueueCountMax = 1_024
    /// Log positions whose sessions share one part of the derived rows' indexes (see `SessionPart`). Another value than
    /// before makes the rows anew.
    package var positionsPerPart: Int64 = 1 << 20
    /// Rows of an index that one page looks at; beyond it the page is short and says where to go on.
    package var rowsPerPageMax = 5_000

    /// Frames (4 KiB) of the log's WAL that start a checkpoint.
    package var checkpointFrames = 4_096
    /// Frames beyond which the committer checkpoints itself before it goes on.
    package var checkpointFramesMax = 65_536

    /// Milliseconds between two tries to recover while the store is unavailable and no callback comes.
    package var probeMilliseconds = 1_000

    /// Runs the answers of a batch, one after the other on one thread. Whoever gives them may collect what follows from
    /// them here, such as the answers to HTTP requests; must call its argument once, and on the same thread.
    package var aroundAnswers: @Sendable (() -> Void) -> Void = { $0() }

    /// A registered SQLite VFS for both files; nil for the system's. Tests inject faults with it.
    package var virtualFileSystem: String?
    /// Called before each write and sync of the journal; a result other than 0 is the `errno` with which it fails. For
    /// tests.
    var journalHook: JournalFile.Hook?
    /// Called at each step of an erasure, on the erasing queue. For tests, which choose the moment of a crash with it.
    package var erasureHook: (@Sendable (ErasureStep) -> Void)?
    /// Called before each slice of a tail that is folded behind the opening, with the position folded, on the folder's
    /// queue. For tests, which hold it there.
    package var catchUpHook: (@Sendable (Int64) -> Void)?
    /// Off: erasures that an earlier process has left behind wait for `joinErasures`.
    package var resumesErasures = true
    /// Milliseconds until an erasure that failed is tried again.
    package var erasureRetryMilliseconds = 15_000

    package init() {}
}
