import Base
import CSQLiteFaults
import Dispatch
import Glibc
import Logging
import SessionModel
import Synchronization

@testable import SessionStore

/// A value behind a serial queue, which ThreadSanitizer understands (see `SanitizedMutex.swift`).
///
/// `@unchecked Sendable`: the value is touched on the queue only.
final class Guarded<Value: Sendable>: @unchecked Sendable {
    private let queue = DispatchQueue(label: "guarded")
    private var value: Value
    init(_ value: Value) { self.value = value }
    func withLock<Result>(_ body: (inout Value) -> Result) -> Result { queue.sync { body(&value) } }
}

/// A directory of its own for a test; goes when the tests end, because stores may outlive the values that name it.
struct TemporaryDirectory: Sendable {
    let path: String

    private static let all = Guarded<[String]>([])

    init() {
        var template = Array("/tmp/chargefold-store-XXXXXX".utf8CString)
        let path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp/chargefold-store-failed"
        self.path = path
        let isFirst = Self.all.withLock { all in
            all.append(path)
            return all.count == 1
        }
        if isFirst {
            atexit {
                for path in TemporaryDirectory.all.withLock({ $0 }) { TemporaryDirectory.remove(path) }
            }
        }
    }

    func file(_ name: String) -> String { path + "/" + name }

    /// The files as they are now, as a crash would leave them: nothing is closed, and the WAL index is gone.
    func copyAsAfterCrash() -> TemporaryDirectory {
        let copy = TemporaryDirectory()
        for name in Self.names(path) where !name.hasSuffix("-shm") && name != "lock" {
            Self.write(Self.read(file(name)), to: copy.file(name))
        }
        return copy
    }

    static func read(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count <= 0 { return content }
            content += chunk[..<count]
        }
    }

    static func write(_ content: [UInt8], to path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        var written = 0
        content.withUnsafeBytes { bytes in
            while written < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
                if count <= 0 { return }
                written += count
            }
        }
    }

    static func names(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    private static func remove(_ path: String) {
        for name in names(path) { unlink(path + "/" + name) }
        rmdir(path)
    }
}

/// A VFS that fails on demand, for files whose path contains a text.
final class Faults: @unchecked Sendable {
    // `@unchecked`: the C side is made of atomics.
    let name: String
    private let faults: OpaquePointer?
    private static let counter = Atomic(0)

    init(_ pathPart: String) {
        name = "faults-\(Self.counter.wrappingAdd(1, ordering: .relaxed).newValue)"
        faults = csqlite_faults_register(name, pathPart)
    }

    deinit {
        csqlite_faults_unregister(faults)
    }

    static let wal = Int32(CSQLITE_FAULTS_WAL)
    static let database = Int32(CSQLITE_FAULTS_DATABASE)

    func failWrites(_ files: Int32, _ code: Int32) { csqlite_faults_fail_writes(faults, files, code) }
    func failSyncs(_ files: Int32, _ code: Int32) { csqlite_faults_fail_syncs(faults, files, code) }
    func failReads(_ files: Int32, _ code: Int32) { csqlite_faults_fail_reads(faults, files, code) }
    var count: Int32 { csqlite_faults_count(faults) }
    func syncCount(_ files: Int32) -> Int32 { csqlite_faults_sync_count(faults, files) }
}

let quietLogger: Logger = {
    var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    return logger
}()

/// Options of most tests: derived rows are written when the test says so, and nothing probes by itself.
func manualOptions(_ change: (inout StoreOptions) -> Void = { _ in }) -> StoreOptions {
    var options = StoreOptions()
    options.writesBehindAutomatically = false
    options.probeMilliseconds = 3_600_000
    // Small, so that sessions lie in many parts, of several sizes.
    options.positionsPerPart = 4
    // Small, so that the halves of the journal are used over and over.
    options.journalBytes = 64 << 10
    options.moveCount = 5
    options.moveMilliseconds = 3_600_000
    change(&options)
    return options
}

func openStore(
    _ directory: TemporaryDirectory, _ options: StoreOptions = manualOptions(), readOnly: Bool = false
) throws -> SQLiteSessionStore {
    try SQLiteSessionStore(directory: directory.path, options: options, readOnly: readOnly, logger: quietLogger)
}

/// A session event's body.
func body(_ name: String, _ session: String, at seconds: Int64, extra: String = "") -> [UInt8] {
    let timestamp = Instant(seconds: 1_760_000_000 + seconds).rfc3339
    return Array(
        #"{"event":"\#(name)","payload":{"sessionId":"\#(session)","timestamp":"\#(timestamp)"\#(extra)}}"#.utf8)
}

func delivery(
    _ name: String, _ session: String, at seconds: Int64, extra: String = ""
) throws -> Delivery {
    let bytes = body(name, session, at: seconds, extra: extra)
    return Delivery(
        event: try SessionEvent.decode(bytes), body: bytes,
        receivedAt: Instant(microsecondsSince1970: 1_770_000_000_000_000 + seconds))
}

struct Refused: Error {}

extension SessionStore {
    /// Appends and waits for the outcome.
    func ingest(_ delivery: Delivery) async throws -> IngestOutcome {
        try await withCheckedThrowingContinuation { continuation in
            if !append(delivery, completion: { continuation.resume(with: $0) }) {
                continuation.resume(throwing: Refused())
            }
        }
    }

    func record(_ id: String) async throws -> SessionRecord? {
        try await withCheckedThrowingContinuation { continuation in
            session(id) { continuation.resume(with: $0) }
        }
    }

    func log() throws -> [LogEntry] {
        var entries: [LogEntry] = []
        try scanLog(after: 0) { entry in
            entries.append(entry)
            return true
        }
        return entries
    }
}

/// The pure fold of a log.
func pureFold(_ log: [LogEntry]) throws -> [String: SessionRecord] {
    var records: [String: SessionRecord] = [:]
    for entry in log {
        let event = try SessionEvent.decode(entry.body, source: entry.source)
        records[event.sessionId, default: SessionRecord(sessionId: event.sessionId)]
            .apply(
                event, position: entry.position, receivedAt: entry.receivedAt,
                place: Place(origin: .none, sequence: entry.position))
    }
    return records
}

/// A small generator with a seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
