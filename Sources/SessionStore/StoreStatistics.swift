/// Figures of a running store, for metrics and tests. Counts are since the store was opened unless said otherwise.
package struct StoreStatistics: Sendable, Equatable {
    /// The highest position in the log.
    package var lastPosition: Int64 = 0
    /// The highest position folded into the records.
    package var foldedPosition: Int64 = 0
    /// The highest position that the derived rows cover.
    package var derivedPosition: Int64 = 0
    /// Deliveries accepted and not yet answered.
    package var queueCount = 0
    package var queueBytes = 0
    package var commits = 0
    package var commitFailures = 0
    package var deliveriesCommitted = 0
    package var recordsInMemory = 0
    package var recordBytesInMemory = 0
    package var unwrittenRecords = 0
    /// Records read from disk, by the fold and by queries.
    package var recordsRead = 0
    package var derivedWrites = 0
    package var derivedWriteFailures = 0
    package var derivedRowsWritten = 0
    package var checkpoints = 0
    /// Log rows that this release cannot decode; they are kept and skipped.
    package var undecodableRows = 0
    /// Bytes of the data directory's files.
    package var logBytes: Int64 = 0
    package var derivedBytes: Int64 = 0

    package init() {}
}
