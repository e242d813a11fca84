/// Ascending log positions, as the differences between them in variable-length bytes: about two bytes a position.
struct PositionList {
    private var bytes: [UInt8] = []
    private var last: Int64 = 0

    mutating func append(_ position: Int64) {
        var rest = UInt64(bitPattern: position - last)
        last = position
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    func forEach<Failure: Error>(_ body: (Int64) throws(Failure) -> Void) throws(Failure) {
        var position: Int64 = 0
        var value: UInt64 = 0
        var shift: UInt64 = 0
        for byte in bytes {
            value |= UInt64(byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 {
                position += Int64(bitPattern: value)
                value = 0
                shift = 0
                try body(position)
            }
        }
    }
}
