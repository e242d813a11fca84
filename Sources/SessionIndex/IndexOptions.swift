/// Every bound of the session index. Counts are rows or records, sizes are bytes.
package struct IndexOptions: Sendable {
    /// Session records held in memory that could be read again from disk.
    package var recordsInMemoryMax = 50_000
    /// Estimated bytes of the same.
    package var recordBytesInMemoryMax = 48 << 20

    /// Changed records that start a write of the session rows.
    package var writeBehindCount = 16_384
    /// Milliseconds from the first change to the write of the session rows.
    package var writeBehindMilliseconds = 1_000
    /// Changed records not yet written; beyond it deliveries wait in the queue until the writer has caught up, and where it
    /// cannot write, they are refused.
    package var unwrittenRecordsMax = 60_000
    /// Log rows not yet covered by session rows (they are folded again at the next start); beyond it deliveries are refused.
    package var tailCountMax = 400_000
    /// Log rows not covered by session rows that are folded before the opening returns; a longer tail is folded behind
    /// it, while deliveries are accepted and queries are not (`SessionIndex.isCatchingUp`). `.max`: none is.
    package var tailBeforeOpeningMax = Int.max
    /// Off: session rows are written only by `flush()` and `close()`. For tests that choose the moment.
    package var writesBehindAutomatically = true

    /// Reads of sessions that wait for the disk; beyond it `session` answers `queueFull`.
    package var readQueueCountMax = 1_024
    /// Log positions whose sessions share one partition of the rows' indexes (see `Partitioning`). Another value than
    /// before makes the rows anew.
    package var positionsPerPartition: Int64 = 1 << 20
    /// Rows of an index that one page looks at; beyond it the page is short and says where to go on.
    package var rowsPerPageMax = 5_000
    /// Estimated bytes of the records of one page; beyond it the page is short and says where to go on. One record is always
    /// in it, however large.
    package var pageBytesMax = 8 << 20
    /// A file of rows up to this size is looked through for damage before the opening returns, a larger one behind it.
    package var checkedBeforeOpeningBytesMax: Int64 = 16 << 20

    /// Milliseconds between two tries to go on where session rows cannot be read.
    package var retryMilliseconds = 1_000

    /// Runs the answers of a batch, one after the other on one thread. Whoever gives them may collect what follows from
    /// them here, such as the answers to HTTP requests; must call its argument once, and on the same thread.
    package var aroundAnswers: @Sendable (() -> Void) -> Void = { $0() }

    /// A registered SQLite VFS for the rows' file; nil for the system's. Tests inject faults with it.
    package var virtualFileSystem: String?
    /// Called before each slice of a tail that is folded behind the opening, with the position folded, on the log's queue.
    /// For tests, which hold it there.
    package var catchUpHook: (@Sendable (Int64) -> Void)?

    package init() {}
}
