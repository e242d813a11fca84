import Glibc
import SessionModel

/// What happens to sessions at an EVSE (domain.md, "The stage environment's test chargers").
package enum EVSEBehaviour: String, Sendable, Hashable, CaseIterable {
    case normal
    /// Hangs in WAITING_TO_START.
    case hangsInStart
    /// Takes a stop, and goes on: stays STARTED.
    case ignoresStop
    /// FAILED.
    case failsToStart
    /// STOP_FAILED.
    case failsToStop
}

struct Connector: Sendable, Hashable {
    let id: String
    let label: String
    let standard: String
    let powerKilowatts: Int
}

struct EVSE: Sendable, Hashable {
    let id: String
    let behaviour: EVSEBehaviour
    let connectors: [Connector]
}

struct Station: Sendable, Hashable {
    let name: String
    let evses: [EVSE]
}

struct Location: Sendable, Hashable {
    let id: String
    let name: String
    let city: String
    let street: String
    let latitude: Double
    let longitude: Double
    let stations: [Station]
}

/// Where a connector is: what a session shows of its charger.
struct ConnectorPlace: Sendable, Hashable {
    let connector: Connector
    let evseId: String
    let behaviour: EVSEBehaviour
    let stationName: String
    let site: String
    let city: String
    let street: String
}

/// All chargers that there are.
struct Catalog: Sendable {
    let locations: [Location]
    let places: [String: ConnectorPlace]
    /// Ids of connectors, in the order of the locations.
    let connectorIds: [String]

    init(locations: [Location]) {
        self.locations = locations
        var places: [String: ConnectorPlace] = [:]
        var ids: [String] = []
        for location in locations {
            for station in location.stations {
                for evse in station.evses {
                    for connector in evse.connectors {
                        ids.append(connector.id)
                        places[connector.id] = ConnectorPlace(
                            connector: connector, evseId: evse.id, behaviour: evse.behaviour,
                            stationName: station.name, site: location.name, city: location.city,
                            street: location.street)
                    }
                }
            }
        }
        self.places = places
        connectorIds = ids
    }

    /// The locations within so many metres of a point, the nearest first.
    func locations(
        near latitude: Double, _ longitude: Double, metres: Double
    ) -> [(location: Location, metres: Double)] {
        locations.map { ($0, Self.metres(latitude, longitude, $0.latitude, $0.longitude)) }
            .filter { $0.1 <= metres }
            .sorted { ($0.1, $0.0.id) < ($1.1, $1.0.id) }
    }

    /// The length of the great circle between two points (haversine), on a sphere of the Earth's mean radius.
    static func metres(_ latitude1: Double, _ longitude1: Double, _ latitude2: Double, _ longitude2: Double) -> Double {
        let radians = Double.pi / 180
        let latitudeDelta = (latitude2 - latitude1) * radians
        let longitudeDelta = (longitude2 - longitude1) * radians
        let chord =
            sin(latitudeDelta / 2) * sin(latitudeDelta / 2)
            + cos(latitude1 * radians) * cos(latitude2 * radians) * sin(longitudeDelta / 2) * sin(longitudeDelta / 2)
        return 2 * 6_371_008.8 * asin(min(1, chord.squareRoot()))
    }
}
