internal import Base
import SessionIndex
import SessionModel
import SessionStore

/// What happened behind an id up to another one, change by change in the order of the log, in short steps.
///
/// It costs the facts that were missed, and once those of the sessions that have them; it keeps places of changes, bounded
/// in number, and sessions half told in `MissedRecords`.
@ResumptionActor
final class MissedChanges {
    enum Step {
        /// Nothing to tell yet.
        case prepared
        case change(FoldedChange)
        case end
    }

    private struct Place {
        let position: Int64
        /// nil: still to be looked up.
        let seal: UInt64?
        let delivery: SessionModel.Place?
        /// In `keys`.
        let session: Int
    }

    /// What it does next.
    private enum Stage {
        /// Sees what sessions of the user have missed changes.
        case user(RecordPages)
        /// Sees whose rows come next in the log, those behind a position.
        case rows(after: Int64)
        /// Tracks what waited at the beginning of this piece of the log, first those that were not changed since.
        case waiting(RecordPages)
        /// Looks in the log behind this piece for what waited as well, and does not any more because it changed later.
        case changedLater(after: Int64)
        case tracking(next: Int)
        case changes
        case end
    }

    private let store: any SessionStore
    private let settings: GuidanceSettings
    private let options: LiveOptions
    private let records: MissedRecords
    private let stream: UInt64
    private let scope: LiveScope
    private let target: Int64
    /// Of what follows; nil where nothing of it has been seen.
    private let seen: SeenPlaces?
    private var stage: Stage
    /// Everything up to here has been told; the next piece of the log begins behind it.
    private var reached: Int64
    /// Where this piece ends.
    private var pieceEnd: Int64
    /// The changes of this piece, the next one last.
    private var places: [Place] = []
    private var keys: [SessionKey] = []
    private var keyPlaces: [SessionKey: Int] = [:]
    private var rowCount = 0
    private var isFirstPiece = true
    /// How far the log has been looked through for this piece; nil: all of it.
    private var lookedThrough: Int64?

    init(
        _ hub: LiveHub, _ scope: LiveScope, after position: Int64, through target: Int64, seen: SeenPlaces? = nil
    ) {
        self.seen = seen
        store = hub.store
        settings = hub.settings
        options = hub.options
        records = hub.missedRecords
        stream = records.nextStream()
        self.scope = scope
        self.target = target
        reached = position
        pieceEnd = target
        stage = .end
        stage = firstStage
    }

    /// Whether the reader has been told of a change.
    func isSeen(_ change: FoldedChange) -> Bool { seen?.has(change) ?? false }

    /// Lets go of what is kept for this stream.
    func end() { records.forget(stream, keys) }

    private var firstStage: Stage {
        switch scope {
        case .session(let key):
            add(key)
            return .tracking(next: 0)
        case .user(let key): return .user(RecordPages(.user(key.sessionId), factsPerPage: options.factsPerPage))
        case .everything: return .rows(after: reached)
        }
    }

    func step(_ timeline: inout Timeline) async throws(StoreError) -> Step {
        switch stage {
        case .user(let pages): try await readUser(pages, &timeline)
        case .rows(let position): try readRows(after: position, timeline.mark)
        case .waiting(let pages): try await readWaiting(pages, &timeline)
        case .changedLater(let position): try await readChangedLater(after: position, &timeline)
        case .tracking(let next): try await track(next, &timeline)
        case .changes: return try await nextChange(&timeline)
        case .end: return .end
        }
        return .prepared
    }

    // MARK: Which changes

    @discardableResult
    private func add(_ key: SessionKey) -> Int {
        if let place = keyPlaces[key] { return place }
        keys.append(key)
        keyPlaces[key] = keys.count - 1
        return keys.count - 1
    }

    /// By the index of the user's sessions, so that it costs nothing what all others have done meanwhile. Sessions that were
    /// theirs and are another's now are not among them.
    private func readUser(_ pages: RecordPages, _ timeline: inout Timeline) async throws(StoreError) {
        let page = try await store.select(pages.selection)
        for record in page.records {
            if isFirstPiece { timeline.track(record.rewound(to: reached)) }
            if record.lastPosition > reached { addChanges(of: record) }
        }
        if let next = pages.following(page) {
            stage = .user(next)
        } else {
            beginTelling()
        }
    }

    private func addChanges(of record: SessionRecord) {
        let session = add(SessionKey(record.sessionId))
        for fact in record.facts where fact.position > reached && fact.position <= pieceEnd {
            places.append(Place(position: fact.position, seal: nil, delivery: nil, session: session))
        }
        guard places.count > 2 * options.resumptionRowsMax else { return }
        // The first of them; the others are the next piece's.
        places.sort { $0.position < $1.position }
        places.removeLast(places.count - options.resumptionRowsMax)
        pieceEnd = places.last?.position ?? pieceEnd
    }

    /// Beyond the target for the sessions only: what waited at the beginning may not wait any more.
    private func readRows(after start: Int64, _ mark: TimeMark) throws(StoreError) {
        var position = start
        var rest = min(Self.rowsPerStep, options.resumptionRowsMax - rowCount)
        var isWhole = true
        try store.scanLog(after: start) { (entry) throws(StoreError) in
            guard rest > 0 else {
                isWhole = false
                return false
            }
            rest -= 1
            rowCount += 1
            position = entry.position
            guard let key = Self.session(of: entry) else { return true }
            let session = add(key)
            if position <= target {
                places.append(
                    Place(position: position, seal: entry.seal, delivery: entry.place, session: session))
            }
            return true
        }
        guard isWhole || rowCount >= options.resumptionRowsMax else { return stage = .rows(after: position) }
        if !isWhole { pieceEnd = min(target, position) }
        lookedThrough = isWhole ? nil : position
        let since = Instant(microsecondsSince1970: mark.microseconds)
        stage =
            isFirstPiece
            ? .waiting(.waiting(since: since, settings, factsPerPage: options.factsPerPage)) : .tracking(next: 0)
    }

    private static let rowsPerStep = 1_000
    /// Fewer, because the session of each is looked up.
    private static let laterRowsPerStep = 64

    private static func session(of entry: LoggedDelivery) -> SessionKey? {
        (try? SessionEvent.decode(entry.body, source: entry.source, limits: limits)).map { SessionKey($0.sessionId) }
    }

    private static let limits: EventLimits = {
        var limits = EventLimits()
        limits.bodyBytesMax = .max
        return limits
    }()

    // MARK: What time will bring

    private func readWaiting(_ pages: RecordPages, _ timeline: inout Timeline) async throws(StoreError) {
        let page = try await store.select(pages.selection)
        for record in page.records where keyPlaces[SessionKey(record.sessionId)] == nil {
            timeline.track(record.rewound(to: reached))
        }
        if let next = pages.following(page) {
            stage = .waiting(next)
        } else {
            stage = lookedThrough.map { .changedLater(after: $0) } ?? .tracking(next: 0)
        }
    }

    /// A session that waited at the beginning and changed behind this piece is in no index of what waits, and in none of this
    /// piece's changes; what time brought it before it changed would be told by nobody. Its first change says so, once.
    private func readChangedLater(after start: Int64, _ timeline: inout Timeline) async throws(StoreError) {
        var position = start
        var rest = Self.laterRowsPerStep
        var isWhole = true
        var found: [(key: SessionKey, position: Int64)] = []
        try store.scanLog(after: start) { (entry) throws(StoreError) in
            guard rest > 0 else {
                isWhole = false
                return false
            }
            rest -= 1
            position = entry.position
            if let key = Self.session(of: entry), keyPlaces[key] == nil { found.append((key, position)) }
            return true
        }
        for (key, position) in found {
            guard let record = try await store.session(key.sessionId) else { continue }
            let firstChange = record.facts.reduce(Int64.max) { $1.position > reached ? min($0, $1.position) : $0 }
            if firstChange == position { timeline.track(record.rewound(to: reached)) }
        }
        stage = isWhole ? .tracking(next: 0) : .changedLater(after: position)
    }

    /// One session that this piece of the log changed, as it was before.
    private func track(_ index: Int, _ timeline: inout Timeline) async throws(StoreError) {
        guard index < keys.count else { return beginTelling() }
        stage = .tracking(next: index + 1)
        let key = keys[index]
        guard let record = try await store.session(key.sessionId) else { return }
        if case .session = scope { addChanges(of: record) }
        let missed = MissedRecord(record, from: reached)
        missed.track(in: &timeline)
        records.keep(missed, key, of: stream)
    }

    // MARK: The changes

    private func beginTelling() {
        places.sort { $0.position > $1.position }
        stage = .changes
    }

    private func nextChange(_ timeline: inout Timeline) async throws(StoreError) -> Step {
        guard let place = places.popLast() else {
            timeline.reach(store.cursor(at: pieceEnd))
            nextPiece()
            return .prepared
        }
        let key = keys[place.session]
        let told = try await records.advance(key, of: stream, to: place.position) { () async throws(StoreError) in
            try await store.session(key.sessionId).map { MissedRecord($0, from: place.position - 1) }
        }
        guard let (change, receivedAt) = told else { return .prepared }
        return .change(
            FoldedChange(
                change, position: place.position, receivedAt: receivedAt, seal: place.seal ?? seal(at: place.position),
                place: place.delivery ?? delivery(at: place.position)))
    }

    /// Needed only where what has been seen is told by places.
    private func delivery(at position: Int64) -> SessionModel.Place {
        let entry = seen == nil ? nil : (try? store.logEntry(at: position)) ?? nil
        return entry?.place ?? SessionModel.Place(origin: .none, sequence: 0)
    }

    private func seal(at position: Int64) -> UInt64 { ((try? store.seal(at: position)) ?? nil) ?? 0 }

    private func nextPiece() {
        end()
        reached = pieceEnd
        guard reached < target else { return stage = .end }
        pieceEnd = target
        isFirstPiece = false
        keys = []
        keyPlaces = [:]
        rowCount = 0
        stage = firstStage
    }
}
