internal import Base
import SessionIndex
import SessionModel

/// A session on its way from one place of the log to another, fact by fact.
struct MissedRecord: Sendable {
    /// The session as far as it has been told.
    private var record: SessionRecord
    /// What follows, the next one last.
    private var rest: [Fact]
    /// An estimate of what it takes in memory.
    let bytes: Int

    /// - Parameters:
    ///   - record: the session as it is.
    ///   - position: what is known of it up to there counts as told.
    init(_ record: SessionRecord, from position: Int64) {
        rest = record.facts.filter { $0.position > position }.sorted { $0.position > $1.position }
        self.record = record.rewound(to: position)
        bytes = record.facts.reduce(256) { $0 + MemoryLayout<Fact>.stride + $1.payload.bytes.count + 32 }
    }

    func track(in timeline: inout Timeline) { timeline.track(record) }

    /// What the fact at a position did to the session, and when it was received; nil where there is none, as after a
    /// repeat.
    mutating func advance(to position: Int64) -> (change: SessionChange, receivedAt: Instant)? {
        while let fact = rest.last, fact.position <= position {
            rest.removeLast()
            let before = record.before
            record.restore(fact)
            if fact.position == position {
                return (SessionChange(record, since: before, fact), fact.heardAt)
            }
        }
        return nil
    }
}

/// The sessions that resuming streams are about to tell of, bounded together in bytes: what was used least is dropped, and
/// made again from the session as it is. So many streams may wait for their readers at once.
@ResumptionActor
final class MissedRecords {
    private struct Key: Hashable {
        let stream: UInt64
        let session: SessionKey
    }

    private let bytesMax: Int
    /// What is used moves to the young generation; when that is full, the old one goes.
    private var young: [Key: MissedRecord] = [:]
    private var old: [Key: MissedRecord] = [:]
    private var youngBytes = 0
    private var oldBytes = 0
    private var lastStream: UInt64 = 0

    nonisolated init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    var bytes: Int { youngBytes + oldBytes }

    /// A name for a stream that begins.
    func nextStream() -> UInt64 {
        lastStream += 1
        return lastStream
    }

    /// Moves a session of a stream on, which it has kept or makes.
    ///
    /// - Returns: see `MissedRecord.advance`; nil also where there is no such session.
    func advance<Failure: Error>(
        _ session: SessionKey, of stream: UInt64, to position: Int64, make: () async throws(Failure) -> MissedRecord?
    ) async throws(Failure) -> (change: SessionChange, receivedAt: Instant)? {
        let key = Key(stream: stream, session: session)
        if young[key] == nil {
            if let record = remove(key) {
                keep(record, key)
            } else {
                guard let record = try await make() else { return nil }
                keep(record, key)
            }
        }
        // Where it stands: what is in a variable as well is copied when it changes.
        return young[key]?.advance(to: position)
    }

    /// Takes a session of a stream in.
    func keep(_ record: MissedRecord, _ session: SessionKey, of stream: UInt64) {
        let key = Key(stream: stream, session: session)
        _ = remove(key)
        keep(record, key)
    }

    func forget(_ stream: UInt64, _ sessions: some Sequence<SessionKey>) {
        for session in sessions { _ = remove(Key(stream: stream, session: session)) }
    }

    private func remove(_ key: Key) -> MissedRecord? {
        if let record = young.removeValue(forKey: key) {
            youngBytes -= record.bytes
            return record
        }
        guard let record = old.removeValue(forKey: key) else { return nil }
        oldBytes -= record.bytes
        return record
    }

    private func keep(_ record: MissedRecord, _ key: Key) {
        if youngBytes + record.bytes > bytesMax / 2 {
            old = young
            oldBytes = youngBytes
            young = [:]
            youngBytes = 0
        }
        young[key] = record
        youngBytes += record.bytes
    }
}
