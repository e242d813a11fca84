package import Base
package import SessionModel

/// An answer of the API, with what it was read from.
package struct DriveAPIAnswer<Value: Sendable>: Sendable {
    package let value: Value
    /// 200 to 299.
    package let status: Int
    /// As it came, to be passed on.
    package let body: [UInt8]
    package let contentType: String?
    /// When the request that was answered was sent, on this machine's clock: what the answer says was true no earlier.
    package let sentAt: Instant
    package let attempts: Int
}

/// A session as the API shows it. Only that it is an object is checked: fields and statuses that are new to us survive.
package struct DriveSession: Sendable, Hashable {
    /// All of it.
    package let json: CanonicalJSON

    /// - Returns: nil where this is no object.
    package init?(_ json: CanonicalJSON) {
        guard json.isObject else { return nil }
        self.json = json
    }

    package var sessionId: String? { json.string("sessionId") }
    /// Nil where there is none; a status that we do not know is kept as it came.
    package var status: SessionStatus? { json.string("sessionStatus").map { SessionStatus($0) } }
    package var userId: String? { json.string("userId") }
    /// `PROCESSING`, `PAID`, `DEBT`, `REFUND`, or what is new.
    package var balanceStatus: String? { json.string("balanceStatus") }
    package var balanceAmountMinor: Int? { json.member("balanceAmountMinor")?.integer }
    package var connectorId: String? { json.string("connectorId") }
    package var chargingKeyId: String? { json.string("chargingKeyId") }
    /// `virtual`: started remotely, so it can be stopped remotely.
    package var chargingKeyType: String? { json.string("chargingKeyType") }
    package var startTime: Instant? { json.instant("startTime") }
    /// An ISO 8601 duration.
    package var duration: String? { json.string("duration") }
    package var site: String? { json.string("site") }
    package var evseId: String? { json.member("charger")?.string("evseId") }
    package var energy: CanonicalJSON? { json.member("energy") }
    package var price: CanonicalJSON? { json.member("price") }
    package var receiptAvailable: Bool? { json.member("receiptAvailable")?.bool }
}

/// The answer to a start: a session id, or what the driver must sign before starting again.
package struct StartAnswer: Sendable, Hashable {
    package let json: CanonicalJSON

    package var sessionId: String? { json.string("sessionId") }
    package var threeDSClientSecret: String? { json.string("threeDSClientSecret") }
}

/// What of a user's history is asked for.
package struct HistoryQuery: Sendable, Hashable {
    /// Empty: the API's default, which is COMPLETE only.
    package var statuses: [SessionStatus] = []
    package var chargingKeyId: String?
    /// Bounds on the start of a session, both inclusive.
    package var startTime: Instant?
    package var endTime: Instant?
    /// From the page before; nil for the first.
    package var cursor: String?
    package var limit: Int?

    package init() {}

    var body: [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        if !statuses.isEmpty {
            writer.key("sessionStatus")
            writer.beginArray()
            for status in statuses { writer.string(status.name) }
            writer.endArray()
        }
        for (name, text) in [("chargingKeyId" as StaticString, chargingKeyId), ("cursor", cursor)] {
            guard let text else { continue }
            writer.key(name)
            writer.string(text)
        }
        for (name, instant) in [("startTime" as StaticString, startTime), ("endTime", endTime)] {
            guard let instant else { continue }
            writer.key(name)
            writer.instant(instant)
        }
        if let limit {
            writer.field("limit", limit)
        }
        writer.endObject()
        return writer.bytes
    }
}

/// One page of a user's history.
package struct HistoryPage: Sendable, Hashable {
    package let sessions: [DriveSession]
    /// For the next page; nil on the last one.
    package let cursor: String?
    package let count: Int?

    /// - Returns: nil where there is no array `sessions`, or something in it is no object.
    init?(_ json: CanonicalJSON) {
        guard let list = json.member("sessions"), list.bytes.first == UInt8(ascii: "[") else { return nil }
        let elements = list.elements
        sessions = elements.compactMap { DriveSession($0) }
        guard sessions.count == elements.count else { return nil }
        cursor = json.string("cursor").flatMap { $0.isEmpty ? nil : $0 }
        count = json.member("count")?.integer
    }
}

/// Where a receipt can be fetched. How the answer looks is not documented upstream: the URL is looked for in `url`,
/// `receiptUrl`, `signedUrl`, a bare JSON string, or a body that is a URL; the answer's `body` has all of it.
package struct ReceiptAnswer: Sendable, Hashable {
    package let url: String?

    init(body: [UInt8]) {
        let text = String(decoding: body, as: UTF8.self).trimmingWhitespace
        guard let json = try? CanonicalJSON(parsing: body) else {
            url = Self.isURL(text) ? text : nil
            return
        }
        url =
            json.string ?? json.string("url") ?? json.string("receiptUrl") ?? json.string("signedUrl")
    }

    private static func isURL(_ text: String) -> Bool {
        text.hasPrefix("https://") || text.hasPrefix("http://")
    }
}

extension String {
    fileprivate var trimmingWhitespace: String {
        guard let start = firstIndex(where: { !$0.isWhitespace }), let end = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[start...end])
    }
}
