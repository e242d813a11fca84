import HTTPServer
import SessionModel

/// `POST /v1/geosearch/radius`. Upstream's schema is not known here; the names are plausible, and what the documented
/// scenario needs is there: EVSE ids, connector ids, statuses and capabilities.
extension SandboxHandler {
    func geosearch(_ query: [String: String], _ body: [UInt8]) throws(SandboxError) -> Response {
        let latitude = try number("latitude", query, -90...90)
        let longitude = try number("longitude", query, -180...180)
        let distance = try number("distance", query, 0...1_000_000)
        let limit = query["limit"] == nil ? 300 : Int(try number("limit", query, 1...10_000))
        let filters = try object(body).member("filters") ?? .emptyObject
        let statuses = filters.member("locationStatuses")?.elements.compactMap(\.string) ?? []

        let bytes = try perform { (world, _) throws(World.Refusal) in
            let occupied = Set(world.sessions.lazy.filter(\.occupiesConnector).map(\.place.connector.id))
            let found = world.catalog.locations(near: latitude, longitude, metres: distance)
                .filter { statuses.isEmpty || statuses.contains($0.location.status(occupied)) }
            var writer = JSONWriter(capacity: 4096)
            writer.beginObject()
            writer.key("locations")
            writer.beginArray()
            for (location, metres) in found.prefix(limit) { location.write(to: &writer, metres, occupied) }
            writer.endArray()
            writer.endObject()
            return writer.bytes
        }
        return Response(status: 200, contentType: "application/json", body: bytes)
    }

    private func number(
        _ name: String, _ query: [String: String], _ range: ClosedRange<Double>
    ) throws(SandboxError) -> Double {
        guard let number = query[name].flatMap({ Double($0) }), range.contains(number) else {
            throw SandboxError(
                400, "BAD_REQUEST", "\(name) is not a number from \(Int(range.lowerBound)) to \(Int(range.upperBound))."
            )
        }
        return number
    }
}

extension EVSE {
    func status(_ occupied: Set<String>) -> String {
        connectors.allSatisfy { occupied.contains($0.id) } ? "OCCUPIED" : "AVAILABLE"
    }
}

extension Location {
    /// Available as long as one of its EVSEs is.
    func status(_ occupied: Set<String>) -> String {
        stations.contains { $0.evses.contains { $0.status(occupied) == "AVAILABLE" } } ? "AVAILABLE" : "OCCUPIED"
    }

    func write(to writer: inout JSONWriter, _ metres: Double, _ occupied: Set<String>) {
        writer.beginObject()
        writer.field("id", id)
        writer.field("name", name)
        writer.field("status", status(occupied))
        writer.field("distance", Int(metres.rounded()))
        writer.key("address")
        writer.beginObject()
        writer.field("city", city)
        writer.field("streetName", street)
        writer.endObject()
        writer.key("coordinates")
        writer.beginObject()
        writer.key("latitude")
        writer.rawJSON(Array("\(latitude)".utf8))
        writer.key("longitude")
        writer.rawJSON(Array("\(longitude)".utf8))
        writer.endObject()
        writer.key("stations")
        writer.beginArray()
        for station in stations {
            writer.beginObject()
            writer.field("name", station.name)
            writer.key("evses")
            writer.beginArray()
            for evse in station.evses { evse.write(to: &writer, occupied) }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }
}

extension EVSE {
    fileprivate func write(to writer: inout JSONWriter, _ occupied: Set<String>) {
        writer.beginObject()
        writer.field("evseId", id)
        writer.field("status", status(occupied))
        writer.key("capabilities")
        writer.beginArray()
        writer.string("REMOTE_START_STOP_CAPABLE" as StaticString)
        writer.endArray()
        writer.key("connectors")
        writer.beginArray()
        for connector in connectors {
            writer.beginObject()
            writer.field("id", connector.id)
            writer.field("label", connector.label)
            writer.field("standard", connector.standard)
            writer.field("maxPowerKw", connector.powerKilowatts)
            writer.field("status", occupied.contains(connector.id) ? "OCCUPIED" : "AVAILABLE")
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }
}
