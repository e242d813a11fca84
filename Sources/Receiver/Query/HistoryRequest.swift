internal import Base
import SessionIndex
import SessionModel
import SessionStore
import WebhookSecurity

/// What a history request asks for: `POST …/sessions/history` with the Drive API's body, or its form as a query string.
struct HistoryRequest: Sendable {
    static let limitDefault = 50
    static let limitMax = 500

    var statuses: Set<String>? = ["COMPLETE"]
    /// Statuses as drivers are shown them; asked for alone, they are looked for among all sessions.
    var effectiveStatuses: Set<String>?
    var chargingKeyId: String?
    var startsFrom: Instant?
    var startsTo: Instant?
    var limit = limitDefault
    var cursor: String?

    init() {}

    /// From a body. Unknown members are ignored, as the Drive API does; null counts as absent.
    init(json: [UInt8]) throws(Problem) {
        guard !json.isEmpty else { return }
        let value: CanonicalJSON
        do {
            value = try CanonicalJSON(parsing: json)
        } catch {
            throw .malformedHistory.with(detail: "The body is not valid JSON.")
        }
        guard value.bytes.first == UInt8(ascii: "{") else {
            throw .malformedHistory.with(detail: "The body is not a JSON object.")
        }
        func member(_ name: StaticString) -> CanonicalJSON? {
            value.member(name).flatMap { $0.text == "null" ? nil : $0 }
        }
        func text(_ name: StaticString) throws(Problem) -> String? {
            guard let member = member(name) else { return nil }
            guard let text = member.string else { throw Self.invalid(name, "must be a string") }
            return text
        }
        if let list = member("sessionStatus") {
            let names = list.elements.compactMap(\.string)
            guard list.bytes.first == UInt8(ascii: "["), names.count == list.elements.count, !names.isEmpty else {
                throw Self.invalid("sessionStatus", "must be a non-empty array of strings")
            }
            try StatusFilter.check(Set(names), "sessionStatus", .malformedHistory)
            statuses = Set(names)
        }
        chargingKeyId = try text("chargingKeyId")
        startsFrom = try Self.instant(try text("startTime"), "startTime")
        startsTo = try Self.instant(try text("endTime"), "endTime")
        cursor = try text("cursor")
        if let number = member("limit") { limit = try Self.limit(number.text) }
    }

    /// From a query string: `status` (comma-separated; `*` for all), `effectiveStatus`, `from`, `to`, `chargingKeyId`, `limit`, `cursor`.
    init(_ query: QueryParameters) throws(Problem) {
        effectiveStatuses = try StatusFilter.names(query["effectiveStatus"], "effectiveStatus", .malformedHistory)
        if let list = query["status"], !list.isEmpty {
            statuses = try StatusFilter.names(list, "status", .malformedHistory)
        } else if effectiveStatuses != nil {
            statuses = nil
        }
        chargingKeyId = query["chargingKeyId"].flatMap { $0.isEmpty ? nil : $0 }
        startsFrom = try Self.instant(query["from"].flatMap { $0.isEmpty ? nil : $0 }, "from")
        startsTo = try Self.instant(query["to"].flatMap { $0.isEmpty ? nil : $0 }, "to")
        cursor = query["cursor"].flatMap { $0.isEmpty ? nil : $0 }
        if let text = query["limit"], !text.isEmpty { limit = try Self.limit(text) }
    }

    /// The limit of a list that a query string asks for.
    static func limit(_ query: QueryParameters) throws(Problem) -> Int {
        guard let text = query["limit"] else { return limitDefault }
        return try limit(text)
    }

    private static func limit(_ text: String) throws(Problem) -> Int {
        guard let number = Int(text), (1...limitMax).contains(number) else {
            throw invalid("limit", "must be a whole number from 1 to \(limitMax)")
        }
        return number
    }

    static func instant(_ text: String?, _ name: StaticString) throws(Problem) -> Instant? {
        guard let text else { return nil }
        guard let instant = Instant(rfc3339: text) else { throw invalid(name, "must be an RFC 3339 timestamp") }
        return instant
    }

    private static func invalid(_ name: StaticString, _ rule: String) -> Problem {
        .malformedHistory.with(detail: "\(name) \(rule).")
    }

    /// What a cursor is bound to: the user and the filters, not the size of the page.
    func context(userId: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginArray()
        writer.string("history" as StaticString)
        writer.string(userId)
        for status in (statuses ?? []).sorted() { writer.string(status) }
        writer.integer(statuses?.count ?? -1)
        if let effectiveStatuses {
            writer.string("effective" as StaticString)
            for status in effectiveStatuses.sorted() { writer.string(status) }
        }
        for text in [chargingKeyId, startsFrom?.rfc3339, startsTo?.rfc3339] {
            if let text { writer.string(text) } else { writer.null() }
        }
        writer.endArray()
        return writer.bytes
    }

    func selection(
        userId: String, after: SortKey?, now: Instant, _ settings: GuidanceSettings
    ) -> SessionSelection {
        var selection = SessionSelection(.user(userId), limit: limit)
        selection.statuses = statuses
        selection.startsFrom = startsFrom
        selection.startsTo = startsTo
        selection.after = after
        guard chargingKeyId != nil || effectiveStatuses != nil else { return selection }
        let isOf = StatusFilter.condition(effectiveStatuses, now: now, settings)
        selection.condition = { [chargingKeyId] record in
            guard isOf(record) else { return false }
            guard let chargingKeyId else { return true }
            // By bytes, as all ids are compared: `==` takes some texts for the same that are not.
            return record.state.enrichment.string(.chargingKeyId)?.utf8.elementsEqual(chargingKeyId.utf8) ?? false
        }
        return selection
    }
}

extension Problem {
    static let malformedHistory = Problem(400, "malformed-history-request", "The request for sessions is not valid.")
    static let invalidCursor = Problem(
        400, "invalid-cursor", "The cursor is not one that was given out for this user and these filters.")
}
