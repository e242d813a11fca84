package import Base

/// A charge detail record as its callback brings it (domain.md, "CDR callbacks").
///
/// The schema is not documented where we can read it, so the record is kept verbatim, and these few members are read where
/// they are: at the top, or within one of ``containers``. Each has the Drive API's own spelling and that of OCPI, which
/// charge point operators use among themselves; the first one found counts.
package struct ChargeDetailRecord: Sendable, Hashable {
    /// The same over all tries to deliver the record.
    package let requestId: String?
    package let sessionId: String
    package let userId: String?
    /// The key that was charged with: what histories can be filtered by.
    package let chargingKeyId: String?
    package let startTime: Instant?
    package let endTime: Instant?
    /// When the record was made, where it says so.
    package let issuedAt: Instant?
    /// Members that should tell a time and whose value is none that can be read, by name, in the order of ``timeNames``.
    package let unreadTimes: [String]
    /// As the Drive API shows a session's energy; OCPI's kilowatt-hours become `{"unit":"KWH","value":…}`.
    package let energy: CanonicalJSON?
    /// As the Drive API shows a session's price. Other forms (OCPI: major units without a currency's exponent) stay in
    /// the verbatim record alone.
    package let price: CanonicalJSON?
    /// The record itself, as text, without a byte order mark.
    package let verbatim: String

    /// Objects in which members are looked for, in this order, after the top: the envelope of the session events, and what
    /// wrappers of such records are usually called.
    static let containers: [StaticString] = ["payload", "cdr", "chargeDetailRecord", "record", "data", "session"]

    private static let startNames: [StaticString] = [
        "startTime", "start", "startedAt", "startDateTime", "start_date_time",
    ]
    private static let endNames: [StaticString] = [
        "endTime", "end", "stopTime", "endedAt", "stoppedAt", "endDateTime", "end_date_time",
    ]
    private static let issueNames: [StaticString] = ["timestamp", "issuedAt", "createdAt", "last_updated"]
    /// What a record tells besides its times, read or not: the Drive API's spellings, and those of OCPI 2.2.1 (section 10.3.1).
    private static let contentNames: [StaticString] = [
        "energy", "total_energy", "energyKwh", "price", "total_cost", "totalCost", "cost", "charging_periods",
        "tariffs",
        "total_time", "duration",
    ]

    /// - Throws: what is wrong with the JSON; `notARecord` for a session event, which somebody has sent to the wrong address,
    ///   or what tells no more than one; `missingSessionId` where nothing says which session the record is of.
    package init(decoding body: [UInt8], depthMax: Int = 64) throws(EventError) {
        let json: CanonicalJSON
        do throws(JSONError) {
            json = try CanonicalJSON(parsing: body, depthMax: depthMax)
        } catch {
            throw EventError(error)
        }
        guard json.isObject else { throw EventError(.notAnObject) }
        let places = Self.places(in: json)
        guard Self.isRecord(places) else { throw EventError(.notARecord) }
        func string(_ names: StaticString...) -> String? {
            Self.first(places, names) { $0.string.flatMap { $0.isEmpty ? nil : $0 } }
        }
        func instant(_ names: [StaticString]) -> Instant? {
            Self.first(places, names) { $0.string.flatMap { Instant(ocpi: $0) } }
        }
        let session = places.lazy.compactMap { $0.member("session") }.first { $0.isObject }
        guard let sessionId = string("sessionId", "session_id") ?? session?.string("id") else {
            throw EventError(.missingSessionId)
        }
        guard SessionEvent.isValid(sessionId: sessionId) else { throw EventError(.invalidSessionId) }
        self.sessionId = sessionId
        requestId = string("requestId", "request_id")
        userId = string("userId", "user_id")
        chargingKeyId = string("chargingKeyId", "charging_key_id")
        startTime = instant(Self.startNames)
        endTime = instant(Self.endNames)
        issuedAt = instant(Self.issueNames)
        unreadTimes = (Self.startNames + Self.endNames + Self.issueNames).filter { name in
            places.contains { place in
                guard let value = place.member(name), value.text != "null" else { return false }
                return value.string.flatMap { Instant(ocpi: $0) } == nil
            }
        }.map(\.description)
        energy =
            Self.first(places, ["energy"]) { $0.isObject ? $0 : nil }
            ?? Self.first(places, ["total_energy", "energyKwh"]) { Self.kilowattHours($0) }
        price = Self.first(places, ["price"]) { $0.isObject ? $0 : nil }
        verbatim = String(decoding: UTF8ByteOrderMark.dropped(from: body), as: UTF8.self)
    }

    /// Whether the body tells what only a record does. Taken for one, anything else would end its session for good: so a body
    /// with a session event's `event`, whatever its name, must have the request id of a record and something of its content,
    /// and any other at least one of them.
    private static func isRecord(_ places: [CanonicalJSON]) -> Bool {
        func has(_ names: [StaticString]) -> Bool {
            first(places, names) { $0.text == "null" ? nil : true } ?? false
        }
        // As it is read: an empty one, or a number, is none.
        let hasRequest =
            first(places, ["requestId", "request_id"]) { $0.string.flatMap { $0.isEmpty ? nil : true } } ?? false
        let hasContent = has(startNames + endNames + contentNames)
        guard has(["event"]) else { return hasRequest || hasContent }
        let isKnownEvent = places.contains { $0.string("event").map { EventName($0).isOfCallbacks } ?? false }
        return hasRequest && hasContent && !isKnownEvent
    }

    /// The objects to look into: the top, its containers, and theirs.
    private static func places(in json: CanonicalJSON) -> [CanonicalJSON] {
        func inner(_ object: CanonicalJSON) -> [CanonicalJSON] {
            containers.compactMap { object.member($0) }.filter(\.isObject)
        }
        let first = inner(json)
        return [json] + first + first.flatMap(inner)
    }

    private static func first<Value>(
        _ places: [CanonicalJSON], _ names: [StaticString], _ read: (CanonicalJSON) -> Value?
    ) -> Value? {
        for place in places {
            for name in names {
                if let value = place.member(name).flatMap(read) { return value }
            }
        }
        return nil
    }

    private static func kilowattHours(_ value: CanonicalJSON) -> CanonicalJSON? {
        // In quotes too, as OCPI's libraries write decimals at times.
        if let text = value.string {
            return (try? CanonicalJSON(parsing: text)).flatMap { $0.string == nil ? kilowattHours($0) : nil }
        }
        guard value.double != nil else { return nil }
        return CanonicalJSON(canonical: Array(#"{"unit":"KWH","value":"#.utf8) + value.bytes + [UInt8(ascii: "}")])
    }

    /// When what the record tells was true, as far as it says: the same for every delivery of the same record.
    package var timestamp: Instant? { issuedAt ?? endTime ?? startTime }

    /// The body to log; `SessionEvent.decode(_:source:)` with source `cdr` reads it.
    ///
    /// The record stands in it as text beside the payload, so that it is kept to the byte and still is no part of the
    /// fact's identity: two deliveries that differ in white space only are one fact.
    ///
    /// - Parameter timestamp: for a record that names no time at all.
    package func factBody(timestamp otherwise: Instant) -> [UInt8] {
        var writer = JSONWriter(capacity: verbatim.utf8.count + 512)
        writer.beginObject()
        writer.field("event", EventName.chargeDetailRecord.text)
        writer.key("payload")
        writer.beginObject()
        writer.field("sessionId", sessionId)
        writer.field("timestamp", timestamp ?? otherwise)
        // A record is sent once a session is completed and priced (domain.md), whatever a field of it may say.
        writer.field("sessionStatus", SessionStatus.complete.name)
        for (name, text) in [
            ("requestId" as StaticString, requestId), ("userId", userId), ("chargingKeyId", chargingKeyId),
        ] {
            guard let text else { continue }
            writer.key(name)
            writer.string(text)
        }
        writer.field("startTime", startTime)
        writer.field("endTime", endTime)
        for (name, json) in [("energy" as StaticString, energy), ("price", price)] {
            guard let json else { continue }
            writer.key(name)
            writer.json(json)
        }
        writer.field("recordDigest", Self.digest(of: verbatim))
        writer.endObject()
        writer.key(Self.verbatimMember)
        writer.string(verbatim)
        writer.endObject()
        return writer.bytes
    }

    /// Where `factBody` keeps the record's text.
    package static let verbatimMember: StaticString = "record"

    /// The verbatim record out of a logged body.
    package static func verbatim(inFactBody body: [UInt8]) -> String? {
        (try? CanonicalJSON(parsing: body))?.string(verbatimMember)
    }

    /// Tells records of different content apart that agree in all that is read of them: 64 bits of FNV-1a over the
    /// canonical text. No defence against somebody who wants two records to collide: whoever could send them knows the
    /// webhook's secret.
    private static func digest(of verbatim: String) -> String {
        let text = (try? CanonicalJSON(parsing: verbatim))?.bytes ?? Array(verbatim.utf8)
        return ASCII.hexadecimal(FNV1a.hash(text))
    }
}

extension SessionRecord {
    /// The session's charge detail records: one for each `requestId`, of facts with the same one the greatest in fold order,
    /// so that neither the order of arrival nor repeats matter. In fold order.
    package var chargeDetailRecords: [(requestId: String?, fact: Fact, variants: Int)] {
        var records: [(requestId: String?, fact: Fact, variants: Int)] = []
        for fact in facts where fact.source == .cdr {
            let requestId = fact.payload.string("requestId")
            var variants = 1
            // By bytes, as all ids are compared.
            if let requestId,
                let known = records.firstIndex(where: { $0.requestId?.utf8.elementsEqual(requestId.utf8) ?? false })
            {
                variants += records.remove(at: known).variants
            }
            records.append((requestId, fact, variants))
        }
        return records
    }

    /// The timestamp for a record without any time of its own: the one under which it is known, so that its repeat is the
    /// same fact; else that of another such record, so that it depends on their content, and not on the order of their
    /// arrival, which of them counts. nil where there was none.
    package func timestamp(ofUndated record: ChargeDetailRecord) -> Instant? {
        let body = record.factBody(timestamp: .epoch)
        guard let event = try? SessionEvent.decode(body, source: .cdr, limits: .unbounded) else { return nil }
        let records = facts.filter { $0.source == .cdr }
        let known = records.first { $0.payload == event.payload }
        return (known ?? records.first { $0.isDatedByArrival })?.timestamp
    }
}

extension Fact {
    /// In microseconds, which is what the log keeps.
    fileprivate var isDatedByArrival: Bool {
        timestamp.microsecondsSince1970 == heardAt.microsecondsSince1970
    }
}

extension EventLimits {
    /// For bodies of our own making.
    package static var unbounded: EventLimits {
        var limits = EventLimits()
        limits.bodyBytesMax = .max
        return limits
    }
}

extension Instant {
    /// A date-time of OCPI (2.2.1, section 16.2): as in RFC 3339, in UTC where no zone is given. A space in place of the `T`,
    /// which RFC 3339 leaves to others to agree on, is none.
    fileprivate init?(ocpi text: String) {
        guard !text.utf8.contains(UInt8(ascii: " ")),
            let instant = Instant(rfc3339: text) ?? Instant(rfc3339: text + "Z")
        else { return nil }
        self = instant
    }
}
