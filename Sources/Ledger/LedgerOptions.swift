/// Every bound of the ledger. Counts are bodies, sizes are bytes.
package struct LedgerOptions: Sendable {
    /// Unverified bodies kept, in memory and in the file each, by shares: see `UnverifiedShares`.
    package var unverifiedCountMax = 1_000
    /// The same, in bytes.
    package var unverifiedBytesMax = 8 << 20
    /// Milliseconds between two writes of unverified bodies.
    package var unverifiedWriteMilliseconds = 100
    /// Bytes of unverified bodies in one write, so that nothing else waits long for them.
    package var unverifiedWriteBytesMax = 256 << 10

    /// Verified bodies that wait for their commit; beyond it they are refused (`queueFull`).
    package var verifiedQueueCountMax = 4_096
    /// The same, in bytes.
    package var verifiedQueueBytesMax = 8 << 20

    /// Whether other receivers see the quarantine: its ids are microseconds of the clock then, so that ids of two receivers
    /// are seldom the same, even ones of verified bodies and odd ones of others.
    package var sharesQuarantine = false

    /// A registered SQLite VFS; nil for the system's. Tests inject faults with it.
    package var virtualFileSystem: String?

    package init() {}
}

/// Figures of an open ledger. Counts are since it was opened unless said otherwise.
package struct LedgerStatistics: Sendable, Equatable {
    /// What the quarantine holds now.
    package var quarantine = QuarantineCounts()
    /// How often the file was damaged and made anew from what could still be read.
    package var salvages = 0
    /// How often the file was gone or another one, and written again.
    package var rewrites = 0
    /// Calls that failed.
    package var failures = 0
    /// Bytes of the file and its WAL.
    package var fileBytes: Int64 = 0

    package init() {}
}
