internal import SessionModel

/// Deliveries that became durable together, as the journal keeps them.
///
/// The rows are packed one after the other: eight bytes for the time of receipt (microseconds since 1970), four for the
/// length of the body, one for the source, then the body; integers are little-endian.
struct JournalEntry: Sendable {
    /// The position of the first row; the others follow without a gap.
    let firstPosition: Int64
    let count: Int
    let rows: [UInt8]

    var lastPosition: Int64 { firstPosition + Int64(count) - 1 }

    static let rowHeaderBytes = 13

    static func bytes(of delivery: borrowing Delivery) -> Int { rowHeaderBytes + delivery.body.count }

    /// Writes one row at the start of `bytes`, which has room for it.
    /// - Returns: the bytes written.
    static func write(_ delivery: borrowing Delivery, to bytes: UnsafeMutableRawBufferPointer) -> Int {
        let count = delivery.body.count
        bytes.storeBytes(of: delivery.receivedAt.microsecondsSince1970.littleEndian, as: Int64.self)
        bytes.storeBytes(of: UInt32(count).littleEndian, toByteOffset: 8, as: UInt32.self)
        bytes[12] = delivery.event.source.rawValue
        delivery.body.withUnsafeBytes { body in
            UnsafeMutableRawBufferPointer(rebasing: bytes[rowHeaderBytes..<rowHeaderBytes + count])
                .copyMemory(from: body)
        }
        return rowHeaderBytes + count
    }

    /// Whether the rows are as many as they should be, and nothing is left over.
    var isWhole: Bool {
        var found = 0
        var bytes = 0
        forEach { row in
            found += 1
            bytes += Self.rowHeaderBytes + row.body.count
        }
        return found == count && bytes == rows.count
    }

    /// Visits the rows in order; their bodies are valid only meanwhile.
    func forEach<Failure: Error>(_ visit: (LogReader.Row) throws(Failure) -> Void) throws(Failure) {
        try rows.withUnsafeBufferPointer { (rows) throws(Failure) in
            let bytes = UnsafeRawBufferPointer(rows)
            var offset = 0
            var position = firstPosition
            while offset + Self.rowHeaderBytes <= bytes.count {
                let received = Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
                let length = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self))
                let start = offset + Self.rowHeaderBytes
                let end = start + Int(length)
                guard end <= bytes.count else { return }
                try visit(
                    LogReader.Row(
                        position: position, receivedAt: Instant(microsecondsSince1970: received),
                        sourceCode: Int64(bytes[offset + 12]),
                        body: UnsafeRawBufferPointer(rebasing: bytes[start..<end])))
                position += 1
                offset = end
            }
        }
    }
}
