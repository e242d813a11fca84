/// What payloads tell of a session beyond its status. Of each field, the payload of the greatest fact, in the order
/// that decides, that has it counts.
package struct Enrichment: Sendable, Equatable {
    /// The fields, in the order in which they are shown. The names are those of the Drive API's Session.
    package enum Field: Int, Sendable, CaseIterable {
        case balanceStatus, balanceAmountMinor, chargingKeyId, chargingKeyType, charger, site, connectorId, duration
        case energy, price, receiptAvailable

        static let all = Array(allCases)

        package var name: StaticString {
            switch self {
            case .balanceStatus: "balanceStatus"
            case .balanceAmountMinor: "balanceAmountMinor"
            case .chargingKeyId: "chargingKeyId"
            case .chargingKeyType: "chargingKeyType"
            case .charger: "charger"
            case .site: "site"
            case .connectorId: "connectorId"
            case .duration: "duration"
            case .energy: "energy"
            case .price: "price"
            case .receiptAvailable: "receiptAvailable"
            }
        }
    }

    /// Whether a JSON value that begins with a byte is what a field has. Another counts as absent, so that what is shown has
    /// the types that are promised.
    private static func isValue(_ first: UInt8, of field: Field) -> Bool {
        switch field {
        case .balanceStatus, .chargingKeyId, .chargingKeyType, .site, .connectorId, .duration:
            first == UInt8(ascii: "\"")
        case .charger, .energy, .price: first == UInt8(ascii: "{")
        case .balanceAmountMinor: first == UInt8(ascii: "-") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= first
        case .receiptAvailable: first == UInt8(ascii: "t") || first == UInt8(ascii: "f")
        }
    }

    struct Entry: Sendable, Equatable {
        let field: Field
        var value: CanonicalJSON
        /// Of the fact that the value is from.
        var factIndex: Int
    }

    /// By field; no field twice.
    var entries: [Entry] = []

    /// The canonical JSON value of a field, nil where no fact has it.
    package subscript(_ field: Field) -> CanonicalJSON? {
        entries.first { $0.field == field }?.value
    }

    /// A field's value where it is a string.
    package func string(_ field: Field) -> String? {
        self[field]?.string
    }

    /// The fields of a payload and where their values stand in it. A JSON null counts as absent.
    static func fields(of payload: CanonicalJSON) -> [(field: Field, value: Range<Int>)] {
        var found: [(field: Field, value: Range<Int>)] = []
        payload.bytes.withUnsafeBytes { text in
            let reader = JSONReader(text)
            reader.forEachMember(in: 0..<text.count) { key, value in
                // Most payloads have nothing but userId and the fields of a fee.
                guard !reader.matches(key, "userId"), text[value.lowerBound] != UInt8(ascii: "n") else { return true }
                for field in Field.all where reader.matches(key, field.name) {
                    if isValue(text[value.lowerBound], of: field) { found.append((field, value)) }
                    break
                }
                return true
            }
        }
        return found
    }
}
