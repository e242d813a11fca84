internal import Base
import SessionModel
import WebhookSecurity

extension Catalog {
    /// The test chargers of the stage environment, with the connector ids of its documentation, and as many further ones
    /// as wanted, for load.
    ///
    /// - Parameter furtherChargers: each with one connector, at a place of their own that neither documented search finds.
    static func stage(furtherChargers: Int = 0) -> Catalog {
        var locations = [castle, errors]
        if furtherChargers > 0 {
            let evses = (1...furtherChargers).map { number in
                EVSE(
                    id: "DE*SBX*E\(number)", behaviour: .normal,
                    connectors: [connector("load-\(number)", "1", "IEC_62196_T2_COMBO", 150)])
            }
            locations.append(
                Location(
                    id: "sandbox-load", name: "Field of chargers", city: "Berlin", street: "Sandkasten 1",
                    latitude: 52.52, longitude: 13.405,
                    stations: [Station(name: "Field of chargers", evses: evses)]))
        }
        return Catalog(locations: locations)
    }

    /// Where sessions succeed.
    private static let castle = Location(
        id: "sandbox-castle", name: "Charge at the castle", city: "Stockholm", street: "Kungliga slottet",
        latitude: 52.290056, longitude: 20.907028,
        stations: [
            Station(
                name: "Charge at the castle",
                evses: [
                    EVSE(
                        id: "SE*REM*E1000", behaviour: .normal,
                        connectors: [
                            Connector(
                                id:
                                    "RfZBL8BkRQrTa//7TOadw3oiP51NudvmvpRC5WI3TsawwqypdT1Qwa3ck8cchZpEH2JGytmok239REYlPWleVQ==",
                                label: "1", standard: "IEC_62196_T2", powerKilowatts: 22),
                            Connector(
                                id:
                                    "+YePNZexUkx8U9fCUoBEmu8EVhBUn1TWdxjd5Ky1ly1Tm3r2MApUUkDIzO4IqizV3l4XTQ87QmotRFvUW1SCWA==",
                                label: "2", standard: "IEC_62196_T2_COMBO", powerKilowatts: 50),
                        ]),
                    EVSE(
                        id: "SE*REM*E1001", behaviour: .normal,
                        connectors: [connector("SE*REM*E1001", "1", "IEC_62196_T2", 22)]),
                    EVSE(
                        id: "SE*REM*E1002", behaviour: .normal,
                        connectors: [connector("SE*REM*E1002", "1", "IEC_62196_T2_COMBO", 150)]),
                ])
        ])

    /// Where each EVSE fails in its own way.
    private static let errors = Location(
        id: "sandbox-errors", name: "Error cases", city: "Warszawa", street: "Modlińska 8",
        latitude: 52.334242, longitude: 20.899305,
        stations: [
            Station(
                name: "Error cases",
                evses: [
                    EVSE(
                        id: "DE*DRV*E6mayTt", behaviour: .hangsInStart,
                        connectors: [
                            Connector(
                                id:
                                    "RfZBL8BkRQrTa//7TOadw3oiP51NudvmvpRC5WI3TsYcqfRqeQ1Z/hmFFk/Lu+ZjAmz+8p9htX8Wmh0rzSdKGQ==",
                                label: "1", standard: "IEC_62196_T2", powerKilowatts: 22),
                            connector("DE*DRV*E6mayTt", "2", "IEC_62196_T2_COMBO", 50),
                        ]),
                    EVSE(
                        id: "DE*DRV*E4JanRe", behaviour: .ignoresStop,
                        connectors: [connector("DE*DRV*E4JanRe", "1", "IEC_62196_T2", 22)]),
                    EVSE(
                        id: "DE*DRV*E9svnVs", behaviour: .failsToStart,
                        connectors: [connector("DE*DRV*E9svnVs", "1", "IEC_62196_T2", 22)]),
                    EVSE(
                        id: "DE*DRV*E8vsnVn", behaviour: .failsToStop,
                        connectors: [connector("DE*DRV*E8vsnVn", "1", "IEC_62196_T2", 22)]),
                ])
        ])

    /// A connector with an id like those of the API: the base64 of 64 bytes, here made of its name.
    private static func connector(_ name: String, _ label: String, _ standard: String, _ kilowatts: Int) -> Connector {
        var random = SeededRandom(seed: StableHash.of(name, label))
        let bytes = (0..<64).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        return Connector(
            id: bytes.withUnsafeBytes { Base64.encode($0) }, label: label, standard: standard,
            powerKilowatts: kilowatts)
    }
}

/// The same for the same texts on every machine and in every run. Not for secrets.
enum StableHash {
    static func of(_ texts: String...) -> UInt64 {
        // 0xFF is no byte of UTF-8: "ab", "c" is not "a", "bc".
        texts.reduce(FNV1a.start) { FNV1a.hash([0xFF], after: FNV1a.hash($1.utf8, after: $0)) }
    }
}
