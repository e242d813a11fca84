package import EventLog
package import Ledger
package import SessionIndex

/// Figures of a running store, for metrics and tests.
package struct StoreStatistics: Sendable, Equatable {
    /// The highest position that is durable.
    package var durable: Int64 = 0
    /// Deliveries accepted and not yet answered.
    package var queueCount = 0
    package var queueBytes = 0
    package var log = LogFigures()
    package var index = IndexFigures()
    package var ledger = LedgerStatistics()

    package init() {}
}
