internal import Base

/// A value for a statement, sent in PostgreSQL's binary format.
enum PostgresParameter {
    case null
    case integer(Int64)
    case int4(Int32)
    case text(String)
    case bytes([UInt8])
    case identity(Identity)
    case texts([String])
    case identities([Identity])
    /// Arrays of one column of deliveries, without a copy in between.
    case sequences([SharedDelivery])
    case received([SharedDelivery])
    case sources([SharedDelivery])
    case bodies([SharedDelivery])

    /// The type's number in every PostgreSQL (pg_type.dat).
    var type: UInt32 {
        switch self {
        case .null: 0
        case .integer: Self.int8
        case .int4: 23
        case .text: Self.textType
        case .bytes, .identity: Self.bytea
        case .texts: 1_009
        case .sequences, .received: 1_016
        case .sources: 1_005
        case .bodies, .identities: 1_001
        }
    }

    private static let int8: UInt32 = 20
    private static let int2: UInt32 = 21
    private static let textType: UInt32 = 25
    private static let bytea: UInt32 = 17

    /// Appends the value; nothing for null.
    func write(to buffer: inout [UInt8]) {
        switch self {
        case .null: break
        case .integer(let value): buffer.append(bigEndian: value)
        case .int4(let value): buffer.append(bigEndian: value)
        case .text(let value): buffer += value.utf8
        case .bytes(let value): buffer += value
        case .identity(let value): buffer.append(value)
        case .texts(let values):
            Self.array(values, of: Self.textType, &buffer) { value, buffer in
                buffer.append(bigEndian: Int32(value.utf8.count))
                buffer += value.utf8
            }
        case .identities(let values):
            Self.array(values, of: Self.bytea, &buffer) { value, buffer in
                buffer.append(bigEndian: Int32(Identity.byteCount))
                buffer.append(value)
            }
        case .sequences(let rows):
            Self.array(rows, of: Self.int8, &buffer) { row, buffer in
                buffer.append(bigEndian: Int32(8))
                buffer.append(bigEndian: row.sequence)
            }
        case .received(let rows):
            Self.array(rows, of: Self.int8, &buffer) { row, buffer in
                buffer.append(bigEndian: Int32(8))
                buffer.append(bigEndian: row.receivedMicroseconds)
            }
        case .sources(let rows):
            Self.array(rows, of: Self.int2, &buffer) { row, buffer in
                buffer.append(bigEndian: Int32(2))
                buffer.append(bigEndian: Int16(row.source))
            }
        case .bodies(let rows):
            Self.array(rows, of: Self.bytea, &buffer) { row, buffer in
                buffer.append(bigEndian: Int32(row.body.count))
                buffer += row.body
            }
        }
    }

    /// `array_send`: dimensions, whether there are nulls, element type, length and lower bound of the one dimension.
    private static func array<Element>(
        _ elements: [Element], of type: UInt32, _ buffer: inout [UInt8], write: (Element, inout [UInt8]) -> Void
    ) {
        buffer.append(bigEndian: Int32(elements.isEmpty ? 0 : 1))
        buffer.append(bigEndian: Int32(0))
        buffer.append(bigEndian: type)
        guard !elements.isEmpty else { return }
        buffer.append(bigEndian: Int32(elements.count))
        buffer.append(bigEndian: Int32(1))
        for element in elements { write(element, &buffer) }
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { self += $0 }
    }

    fileprivate mutating func append(_ identity: Identity) {
        append(bigEndian: identity.high)
        append(bigEndian: identity.low)
    }
}
