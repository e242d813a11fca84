import Base
import SessionIndex
import SessionModel

/// Which sessions of everybody a list is of: `GET /v1/sessions`.
struct SessionListRequest {
    static let parameters: Set<String> = [
        "status", "effectiveStatus", "anomaly", "userId", "charger", "from", "to", "olderThan", "limit", "cursor",
    ]

    var statuses: Set<String>?
    var effectiveStatuses: Set<String>?
    var anomaly: Anomaly?
    var userId: String?
    /// A connector's id, an EVSE's, or some of a station's name.
    var charger: String?
    var startsFrom: Instant?
    var startsTo: Instant?
    /// Milliseconds that the status has lasted, at least.
    var olderThan: Int64?
    var limit: Int
    var cursor: String?

    init(_ query: QueryParameters) throws(Problem) {
        func text(_ name: String) -> String? { query[name].flatMap { $0.isEmpty ? nil : $0 } }
        statuses = try StatusFilter.names(text("status"), "status", .malformedQuery)
        effectiveStatuses = try StatusFilter.names(text("effectiveStatus"), "effectiveStatus", .malformedQuery)
        if let code = text("anomaly") {
            guard let anomaly = Anomaly(rawValue: code) else {
                let codes = Anomaly.allCases.map(\.rawValue).joined(separator: ", ")
                throw .malformedQuery.with(detail: "anomaly must be one of \(codes).")
            }
            self.anomaly = anomaly
        }
        userId = text("userId")
        charger = text("charger")
        startsFrom = try HistoryRequest.instant(text("from"), "from")
        startsTo = try HistoryRequest.instant(text("to"), "to")
        if let duration = text("olderThan") {
            guard let milliseconds = DurationText.milliseconds(duration) else {
                throw .malformedQuery.with(detail: "olderThan must be a duration, such as 10m.")
            }
            olderThan = milliseconds
        }
        limit = try HistoryRequest.limit(query)
        cursor = text("cursor")
    }

    /// What a cursor is bound to: everything but the size of the page.
    var context: [UInt8] {
        var writer = JSONWriter()
        writer.beginArray()
        writer.string("sessions" as StaticString)
        for names in [statuses, effectiveStatuses] {
            writer.string(names.map { $0.sorted().joined(separator: ",") } ?? "*")
        }
        for text in [
            anomaly?.rawValue, userId, charger, startsFrom?.rfc3339, startsTo?.rfc3339, olderThan.map { "\($0)" },
        ] {
            if let text { writer.string(text) } else { writer.null() }
        }
        writer.endArray()
        return writer.bytes
    }

    /// Statuses that lists may have what is asked for under; nil for all.
    private var candidates: Set<SessionStatus>? {
        var found = statuses.map { Set($0.map { SessionStatus($0).listed }) }
        if let effectiveStatuses {
            var effective = Set(effectiveStatuses.map { SessionStatus($0).listed })
            // As the driver sees it, these fail: what nobody knows, and starts that time out.
            if effective.contains(.failed) { effective.formUnion([.unknown, .created, .waitingToStart]) }
            found = found.map { $0.intersection(effective) } ?? effective
        }
        return found
    }

    func selection(now: Instant, settings: GuidanceSettings) -> SessionSelection {
        let since = olderThan.map { Instant(microsecondsSince1970: now.microsecondsSince1970 - $0 * 1000) }
        let scope: SessionSelection.Scope
        if let anomaly {
            scope = anomaly.scope(now: now, settings: settings)
        } else if let userId {
            scope = .user(userId)
        } else if let candidates, !candidates.contains(.complete) {
            scope = .status(candidates, since: since ?? .latest)
        } else {
            scope = .everything
        }
        var selection = SessionSelection(scope, limit: limit)
        selection.statuses = statuses
        selection.startsFrom = startsFrom
        selection.startsTo = startsTo
        let key = userId.map { SessionKey($0) }
        selection.condition = {
            [charger, isOf = StatusFilter.condition(effectiveStatuses, now: now, settings)] record in
            if let key, record.state.userId.map({ SessionKey($0) }) != key { return false }
            if let since, record.statusSinceOrFirstHeard > since { return false }
            if let charger, !record.isAt(charger) { return false }
            return isOf(record)
        }
        return selection
    }
}

extension SessionRecord {
    /// Whether a connector's id, an EVSE's id, or some of its station's name is this text, whatever its case.
    fileprivate func isAt(_ text: String) -> Bool {
        let text = text.lowercased()
        if state.enrichment.string(.connectorId)?.lowercased() == text { return true }
        guard let charger = state.enrichment[.charger] else { return false }
        return charger.string("evseId")?.lowercased() == text
            || charger.string("chargingStationName")?.lowercased().contains(text) ?? false
    }
}
