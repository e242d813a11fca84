internal import CSQLiteFaults
internal import Synchronization

/// A SQLite VFS that fails on demand, for files whose path contains a text.
package final class Faults: @unchecked Sendable {
    // `@unchecked`: the C side is made of atomics.
    package let name: String
    private let faults: OpaquePointer?
    private static let counter = Atomic(0)

    package init(_ pathPart: String) {
        name = "test-faults-\(Self.counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        faults = csqlite_faults_register(name, pathPart)
    }

    deinit {
        csqlite_faults_unregister(faults)
    }

    package static let wal = Int32(CSQLITE_FAULTS_WAL)
    package static let database = Int32(CSQLITE_FAULTS_DATABASE)

    package func failWrites(_ files: Int32, _ code: Int32) { csqlite_faults_fail_writes(faults, files, code) }
    package func failSyncs(_ files: Int32, _ code: Int32) { csqlite_faults_fail_syncs(faults, files, code) }
    package func failReads(_ files: Int32, _ code: Int32) { csqlite_faults_fail_reads(faults, files, code) }
    /// Calls that have failed so far.
    package var count: Int32 { csqlite_faults_count(faults) }
    package func syncCount(_ files: Int32) -> Int32 { csqlite_faults_sync_count(faults, files) }
}
