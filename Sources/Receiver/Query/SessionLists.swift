internal import Base
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// Lists of sessions, over everybody and of one user.
struct SessionLists: Sendable {
    let store: any SessionStore
    let others: Others
    let renderer: SessionRenderer
    let cursors: PageCursor
    /// Says when sessions are asked about next; nil where none are.
    let reconciler: Reconciler?
    let clock: @Sendable () -> Instant

    /// `GET /v1/sessions`: everybody's sessions, by status, anomaly, user, charger and time. Of each that is watched it says
    /// when the Drive API is asked next.
    func answerSessions(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let query = try QueryParameters(of: call.request.head.query)
        let request = try SessionListRequest(query)
        let context = request.context
        var selection = request.selection(now: clock(), settings: renderer.settings)
        selection.after = try cursors.sortKey(request.cursor, context: context)
        select(
            selection, context: context, address: ListAddress(call.request.head), showsQuestions: true, call.exchange)
    }

    /// `GET /v1/fees?dueWithin=10m`, with `limit`: fees that begin to apply within that time, the soonest first, of
    /// sessions that have not ended.
    func answerFees(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let (now, exchange) = (clock(), call.exchange)
        let query = try QueryParameters(of: call.request.head.query)
        guard let within = DurationText.milliseconds(query["dueWithin"] ?? "10m"), within <= 31 * 86_400_000 else {
            throw .malformedQuery.with(detail: "dueWithin must be a duration of at most 744h, such as 10m.")
        }
        let limit = try HistoryRequest.limit(query)
        let until = Instant(microsecondsSince1970: now.microsecondsSince1970 + within * 1000)
        // Only sessions with something to wait for from now on are in this index; their fees are then looked at.
        var selection = SessionSelection(.waiting(from: now), limit: FeesDue.candidatesMax)
        selection.condition = { !FeesDue.fees(of: $0, from: now, until: until).isEmpty }
        let keepSoonest = { @Sendable (records: [SessionRecord]) in
            FeesDue(records, from: now, until: until).sessions(ofFirst: limit + 1)
        }
        let chosen = selection
        others.whenCurrent(exchange) { [self] exchange in
            collectFees(chosen, [], keeping: keepSoonest) { result in
                switch result {
                case .success(let records):
                    exchange.respond(Response(json: FeesDue(records, from: now, until: until).json(limit: limit)))
                case .failure(let error): exchange.respond(Response(Problem(error, .storeUnreadable)))
                }
            }
        }
    }

    /// Page by page: the index is in the order of what each session waits for last, which may be another fee.
    private func collectFees(
        _ selection: SessionSelection, _ found: [SessionRecord],
        keeping keepSoonest: @escaping @Sendable ([SessionRecord]) -> [SessionRecord],
        completion: @escaping @Sendable (Result<[SessionRecord], StoreError>) -> Void
    ) {
        store.select(selection) { [self] result in
            switch result {
            case .success(let page):
                // Changed meanwhile, a session may come twice.
                let known = Set(found.map { SessionKey($0.sessionId) })
                let found = keepSoonest(found + page.records.filter { !known.contains(SessionKey($0.sessionId)) })
                guard let next = page.next else { return completion(.success(found)) }
                var selection = selection
                selection.after = next
                collectFees(selection, found, keeping: keepSoonest, completion: completion)
            case .failure(let error): completion(.failure(error))
            }
        }
    }
}

/// Fees that are about to apply, the soonest first.
struct FeesDue {
    /// Sessions that one answer looks at.
    static let candidatesMax = 5_000

    private var due: [(at: Instant, fee: FeeNotice, record: SessionRecord)] = []

    init(_ records: [SessionRecord], from now: Instant, until: Instant) {
        for record in records {
            for fee in Self.fees(of: record, from: now, until: until) {
                if let instant = fee.feeWillApplyFrom { due.append((instant, fee, record)) }
            }
        }
        due.sort { ($0.at, $0.record.tie) < ($1.at, $1.record.tie) }
    }

    /// The sessions of the soonest fees, each once.
    func sessions(ofFirst count: Int) -> [SessionRecord] {
        var seen: Set<SessionKey> = []
        return due.prefix(count).map(\.record).filter { seen.insert(SessionKey($0.sessionId)).inserted }
    }

    /// Both bounds included: a fee that begins now is due.
    static func fees(of record: SessionRecord, from now: Instant, until: Instant) -> [FeeNotice] {
        guard !record.hasEnded else { return [] }
        return record.state.fees.filter { $0.feeWillApplyFrom.map { $0 >= now && $0 <= until } ?? false }
    }

    func json(limit: Int) -> [UInt8] {
        var writer = JSONWriter(capacity: 256 + min(due.count, limit) * 256)
        writer.beginObject()
        writer.key("fees")
        writer.beginArray()
        for item in due.prefix(limit) {
            writer.beginObject()
            writer.field("sessionId", item.record.sessionId)
            if let userId = item.record.state.userId { writer.field("userId", userId) }
            writer.field("sessionStatus", item.record.state.status.name)
            if let type = item.fee.feeType { writer.field("feeType", type) }
            writer.field("feeWillApplyFrom", item.at)
            writer.field("timestamp", item.fee.timestamp)
            writer.endObject()
        }
        writer.endArray()
        writer.field("count", min(due.count, limit))
        // More than the limit are due.
        if due.count > limit { writer.field("truncated", true) }
        writer.endObject()
        return writer.bytes
    }
}

extension Anomaly {
    /// Where the sessions that have it now are found.
    func scope(now: Instant, settings: GuidanceSettings) -> SessionSelection.Scope {
        guard let state = lastingState, let seconds = patienceSeconds(settings) else { return .anomaly(self) }
        // The index has since when; how long is too long is for now to say.
        return .lasting(state, since: now.adding(seconds: -seconds))
    }

    /// What has lasted too long; nil for those that do not depend on time.
    private var lastingState: LastingState? {
        switch self {
        case .startedTooLong: .started
        case .startTimedOut: .starting
        case .stopFailingTooLong: .stopFailing
        default: nil
        }
    }
}
