import SessionModel

extension SandboxSession {
    /// Energy in Wh: two thirds of what the connector can give.
    private func energy(at time: Int64) -> Int64 {
        guard let startedAt else { return 0 }
        let seconds = ((endedAt ?? time) - startedAt) / 1_000_000
        return seconds * Int64(place.connector.powerKilowatts) * 1000 / 3600 * 2 / 3
    }

    private static let vatPercent: Int64 = 25

    /// 45 cents a kWh without VAT, and 50 for the session.
    var priceExcludingVAT: Int64 { energy(at: endedAt ?? createdAt) * 45 / 1000 + 50 }
    var priceIncludingVAT: Int64 { priceExcludingVAT * (100 + Self.vatPercent) / 100 }

    var isPriced: Bool { status == .complete || status == .refunded }

    /// The Session, as the API shows it (domain.md).
    func write(to writer: inout JSONWriter, at time: Int64) {
        writer.beginObject()
        writer.field("sessionStatus", status.name)
        if let balanceStatus {
            writer.field("balanceStatus", balanceStatus)
            writer.field("balanceAmountMinor", priceIncludingVAT)
        }
        writer.key("charger")
        writer.beginObject()
        writer.field("chargingStationName", place.stationName)
        writer.field("city", place.city)
        writer.field("connectorLabel", place.connector.label)
        writer.field("evseId", place.evseId)
        writer.field("streetName", place.street)
        writer.endObject()
        writer.field("chargingKeyId", chargingKeyId)
        writer.field("chargingKeyType", kind.rawValue)
        writer.field("connectorId", place.connector.id)
        if let startedAt { writer.field("duration", ISODuration.text(microseconds: (endedAt ?? time) - startedAt)) }
        if endedAt != nil { writeEnergy(to: &writer, at: time) }
        if isPriced { writePrice(to: &writer) }
        writer.field("receiptAvailable", isPaid)
        writer.field("sessionId", sessionId)
        writer.field("site", place.site)
        if let startTime {
            writer.field("startTime", startTime)
        }
        writer.endObject()
    }

    var chargingKeyId: String { "\(kind.rawValue)-\(userId)" }

    private func writeEnergy(to writer: inout JSONWriter, at time: Int64) {
        writer.key("energy")
        writer.beginObject()
        writer.field("unit", "WH")
        writer.field("value", energy(at: time))
        writer.endObject()
    }

    private func writePrice(to writer: inout JSONWriter) {
        writer.key("price")
        writer.beginObject()
        writer.field("currencyCode", "EUR")
        writer.field("minorExclVat", priceExcludingVAT)
        writer.field("minorInclVat", priceIncludingVAT)
        writer.field("vat", "\(Self.vatPercent)")
        writer.endObject()
    }

    /// The charge detail record. Upstream's schema is not known; these fields are those that domain.md names.
    func detailRecord(requestId: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.field("requestId", requestId)
        writer.field("sessionId", sessionId)
        writer.field("userId", userId)
        writer.field("chargingKeyId", chargingKeyId)
        writer.field("connectorId", place.connector.id)
        writer.field("evseId", place.evseId)
        for (name, instant) in [("startTime" as StaticString, startTime), ("endTime", endTime)] {
            guard let instant else { continue }
            writer.key(name)
            writer.instant(instant)
        }
        writeEnergy(to: &writer, at: endedAt ?? createdAt)
        writePrice(to: &writer)
        writer.endObject()
        return writer.bytes
    }

    /// What is true of the session, whatever was told: for comparing with what a receiver believes.
    func writeTruth(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.field("sessionId", sessionId)
        writer.field("userId", userId)
        writer.field("sessionStatus", status.name)
        if let balanceStatus { writer.field("balanceStatus", balanceStatus) }
        writer.field("chargingKeyType", kind.rawValue)
        writer.field("connectorId", place.connector.id)
        writer.field("evseId", place.evseId)
        for (name, instant) in [("startTime" as StaticString, startTime), ("endTime", endTime)] {
            guard let instant else { continue }
            writer.key(name)
            writer.instant(instant)
        }
        if isPriced { writePrice(to: &writer) }
        writer.key("history")
        writer.beginArray()
        for entry in history {
            writer.beginObject()
            writer.field("sessionStatus", entry.status.name)
            writer.field("at", entry.at)
            writer.endObject()
        }
        writer.endArray()
        writer.key("callbacks")
        writer.beginArray()
        for callback in callbacks { callback.write(to: &writer) }
        writer.endArray()
        writer.endObject()
    }
}
