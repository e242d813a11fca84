internal import Base
import Dispatch
import HTTPServer
import Logging
import SessionIndex
import SessionModel
import SessionStore

/// What resuming streams missed is read here, off the hub's queue and off the event loops.
private let catchUpQueue = DispatchQueue(label: "chargefold.live.catch-up", qos: .utility)

extension LiveHub {
    /// What resuming streams keep of sessions half told.
    var missedBytes: Int { catchUpQueue.sync { missedRecords.bytes } }
}

/// Tells a resuming stream what happened behind its id, out of the log, up to where it joined the live changes.
///
/// Piece by piece, each when the reader has taken most of what came before, and in short turns between which other streams
/// have theirs. It ends with its reader, also while there is nothing to tell yet.
///
/// `@unchecked Sendable`: all mutable state is confined to `catchUpQueue`.
final class LiveCatchUp: @unchecked Sendable {
    private let hub: LiveHub
    private let subscriber: LiveSubscriber
    private let id: LiveEventId
    private let target: LiveEventId
    private var isPaused = false
    /// nil before the first turn.
    private var work: Work?
    /// Bytes written at once, and those that may wait for the reader before more is written.
    private let pieceBytes: Int

    private struct Work {
        var timeline: Timeline
        let missed: MissedChanges
        /// The next change, which is told when everything is that time brought before it.
        var change: FoldedChange?
        /// Everything that changed is told: time alone is left, up to there.
        var end: TimeMark?
        var piece: [UInt8] = []
    }

    init(_ hub: LiveHub, _ subscriber: LiveSubscriber, from id: LiveEventId, to target: LiveEventId) {
        self.hub = hub
        self.subscriber = subscriber
        self.id = id
        self.target = target
        // Two pieces, an event and what happens meanwhile must not be too much.
        pieceBytes = min(64 << 10, subscriber.stream.bufferBytesMax / 4)
    }

    deinit {
        // Where the reader has gone during a pause.
        guard let missed = work?.missed else { return }
        catchUpQueue.async { missed.end() }
    }

    func start() {
        catchUpQueue.async { [self] in
            do throws(StoreError) {
                guard let start = try start(id) else {
                    subscriber.stream.write(
                        Array("event: reset\ndata: {\"reason\":\"UNKNOWN_POSITION\"}\nid: \(target.text)\n\n".utf8))
                    return end()
                }
                let receipt = id.mark == nil ? try receipt(of: start.position) : .start
                work = Work(
                    timeline: Timeline(
                        settings: hub.settings, cursor: hub.store.cursor(at: start.position),
                        frontier: start.seen?.cursor,
                        mark: id.mark ?? receipt),
                    missed: MissedChanges(
                        hub, subscriber.scope, after: start.position, through: target.position, seen: start.seen))
            } catch {
                return fail(error)
            }
            takeTurn()
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

    /// One turn: until a piece is full, there is nothing left, or it has been long enough.
    private func takeTurn() {
        guard var work else { return }
        // In this variable alone, so that nothing is copied when it changes.
        self.work = nil
        var stepsLeft = Self.stepsPerTurn
        while true {
            guard !subscriber.stream.isClosed else {
                self.work = work
                return end()
            }
            do throws(StoreError) {
                guard try step(&work) else {
                    // The place is remembered also where nothing is told: the next time it is not looked through again.
                    subscriber.stream.write(work.piece + Array("id: \(reached(work).text)\n\n".utf8))
                    self.work = work
                    return end()
                }
            } catch {
                self.work = work
                return fail(error)
            }
            stepsLeft -= 1
            guard work.piece.count >= pieceBytes || stepsLeft == 0 else { continue }
            let isOpen = work.piece.isEmpty || subscriber.stream.write(work.piece)
            work.piece = []
            self.work = work
            return isOpen ? goOn() : end()
        }
    }

    private static let stepsPerTurn = 256

    /// - Returns: false when everything is in the piece.
    private func step(_ work: inout Work) throws(StoreError) -> Bool {
        let due = work.change.map { TimeMark.end(of: $0.receivedAt.microsecondsSince1970) } ?? work.end
        if let due, let event = work.timeline.next(through: due) {
            tell(event, &work.piece)
        } else if let change = work.change.take() {
            var piece: [UInt8] = []
            swap(&piece, &work.piece)
            work.timeline.apply(change, isWanted: !work.missed.isSeen(change)) { tell($0, &piece) }
            work.piece = piece
        } else if work.end != nil {
            return false
        } else {
            switch try work.missed.step(&work.timeline) {
            case .prepared: break
            case .change(let change): work.change = change
            case .end: work.end = target.mark.map { max($0, work.timeline.mark) } ?? work.timeline.mark
            }
        }
        return true
    }

    /// What a reader has seen at several receivers is the join of it.
    private func reached(_ work: Work) -> LiveEventId {
        guard let told = work.timeline.frontier?.frontier, let joined = target.frontier else { return target }
        return LiveEventId(target.cursor, told.joined(with: joined), mark: target.mark)
    }

    private func tell(_ event: LiveEvent, _ piece: inout [UInt8]) {
        guard subscriber.scope.covers(event.outline), subscriber.grant.allows(event.outline) else { return }
        piece += event.bytes
    }

    private func goOn() {
        // Others have their turn in between.
        guard subscriber.stream.bufferedBytes > pieceBytes else { return catchUpQueue.async { self.takeTurn() } }
        isPaused = true
        // The stream keeps this alive until it goes on, or closes. A reader that takes nothing is closed by the server.
        subscriber.stream.onDrain { [self] in
            catchUpQueue.async { self.resume() }
        }
        if subscriber.stream.bufferedBytes == 0 { catchUpQueue.async { self.resume() } }
    }

    private func resume() {
        guard isPaused else { return }
        isPaused = false
        subscriber.stream.onDrain {}
        takeTurn()
    }

    private func fail(_ error: StoreError) {
        hub.logger.error("a live stream could not catch up", metadata: ["reason": "\(error.message)"])
        subscriber.stream.abort()
        end()
    }

    private func end() {
        work?.missed.end()
        work = nil
        let hub = hub
        let subscriber = subscriber
        hub.queue.async {
            if !subscriber.caughtUp() { hub.remove(subscriber) }
        }
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
