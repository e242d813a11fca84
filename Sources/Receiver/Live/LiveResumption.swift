internal import Base
internal import Dispatch
import HTTPServer
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// Where what resuming streams have missed is read: off the hub's queue and off the event loops, and step by step, so that
/// each stream has its turns.
@globalActor
actor ResumptionActor {
    static let shared = ResumptionActor()

    private let executor = QueueExecutor(label: "chargefold.live.resumption", qos: .utility)
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
}

/// Tells a resuming stream what happened behind its id, out of the log, up to where it joined the live changes.
///
/// Piece by piece, each when the reader has taken what came before, and in short turns between which other streams have
/// theirs. It ends with its reader, also while there is nothing to tell yet.
@ResumptionActor
struct LiveResumption {
    private static let stepsPerTurn = 256

    private let hub: LiveHub
    private let subscriber: LiveSubscriber
    private let id: LiveEventId
    private let target: LiveEventId
    /// Bytes written at once, and those that may wait for the reader before more is written.
    private let pieceBytes: Int

    nonisolated init(_ hub: LiveHub, _ subscriber: LiveSubscriber, from id: LiveEventId, to target: LiveEventId) {
        self.hub = hub
        self.subscriber = subscriber
        self.id = id
        self.target = target
        // Two pieces, an event and what happens meanwhile must not be too much.
        pieceBytes = min(64 << 10, subscriber.stream.bufferBytesMax / 4)
    }

    nonisolated func start() {
        Task(executorPreference: BackgroundExecutor.shared) {
            do throws(StoreError) {
                try await run()
            } catch {
                hub.logger.error("a live stream could not resume", metadata: ["reason": "\(error.message)"])
                subscriber.stream.abort()
            }
            hub.queue.async {
                if !subscriber.caughtUp() { hub.remove(subscriber) }
            }
        }
    }

    private func run() async throws(StoreError) {
        let stream = subscriber.stream
        guard let start = try start(id) else {
            stream.write(Array("event: reset\ndata: {\"reason\":\"UNKNOWN_POSITION\"}\nid: \(target.text)\n\n".utf8))
            return
        }
        let mark = if let mark = id.mark { mark } else { try receipt(of: start.position) }
        var timeline = Timeline(
            settings: hub.settings, cursor: hub.store.cursor(at: start.position), frontier: start.seen?.cursor,
            mark: mark)
        let missed = MissedChanges(
            hub, subscriber.scope, after: start.position, through: target.position, seen: start.seen)
        defer { missed.end() }
        // The next change, which is told when everything is that time brought before it.
        var change: FoldedChange?
        // Everything that changed is told: time alone is left, up to there.
        var end: TimeMark?
        var piece: [UInt8] = []
        var stepsLeft = Self.stepsPerTurn
        while !stream.isClosed {
            let due = change.map { TimeMark.end(of: $0.receivedAt.microsecondsSince1970) } ?? end
            if let due, let event = timeline.next(through: due) {
                tell(event, &piece)
            } else if let next = change.take() {
                timeline.apply(next, isWanted: !missed.isSeen(next)) { tell($0, &piece) }
            } else if end != nil {
                // The place is remembered also where nothing is told: the next time it is not looked through again.
                stream.write(piece + Array("id: \(reached(timeline).text)\n\n".utf8))
                return
            } else {
                switch try await missed.step(&timeline) {
                case .prepared: break
                case .change(let next): change = next
                case .end: end = target.mark.map { max($0, timeline.mark) } ?? timeline.mark
                }
            }
            stepsLeft -= 1
            guard piece.count >= pieceBytes || stepsLeft == 0 else { continue }
            if !piece.isEmpty { stream.write(piece) }
            piece = []
            stepsLeft = Self.stepsPerTurn
            if stream.bufferedBytes > pieceBytes { await stream.drained() } else { await Task.yield() }
        }
    }

    /// Behind which position of this log there is something that the reader has not seen, and what of it they have; nil
    /// where nobody can say: the id is from a log that was longer than this one, or went on in another way, of another
    /// server, or from a backup.
    private func start(_ id: LiveEventId) throws(StoreError) -> (position: Int64, seen: SeenPlaces?)? {
        guard let frontier = id.frontier else {
            guard id.position <= target.position, try id.cursor.isOfHistory(of: hub.store) else { return nil }
            return (id.position, nil)
        }
        guard let seen = try SeenPlaces(frontier, in: hub.store) else { return nil }
        return (min(seen.position, target.position), seen)
    }

    /// What a reader has seen at several receivers is the join of it.
    private func reached(_ timeline: Timeline) -> LiveEventId {
        guard let told = timeline.frontier?.frontier, let joined = target.frontier else { return target }
        return LiveEventId(target.cursor, told.joined(with: joined), mark: target.mark)
    }

    private func tell(_ event: LiveEvent, _ piece: inout [UInt8]) {
        guard subscriber.scope.covers(event.outline), subscriber.grant.allows(event.outline) else { return }
        piece += event.bytes
    }

    /// When the delivery at a position was received: up to then, time has been told.
    private func receipt(of position: Int64) throws(StoreError) -> TimeMark {
        guard position > 0 else { return .start }
        var mark: TimeMark?
        try hub.store.scanLog(after: position - 1) { (entry) throws(StoreError) in
            mark = .end(of: entry.receivedAt.microsecondsSince1970)
            return false
        }
        return mark ?? target.mark ?? .start
    }
}
