/// The parts of a number's text, and its canonical form: the exact decimal value, worked out on digits, never on a
/// floating point number.
struct JSONNumber {
    private let input: UnsafeRawBufferPointer
    private let isNegative: Bool
    private let integer: Range<Int>
    private let fraction: Range<Int>
    private let exponent: Int
    /// Behind the number.
    let end: Int

    /// The power of ten of the first digit may be this far from zero.
    private static let exponentMax = 999_999_999

    /// Nil where no number of the grammar (RFC 8259, section 6) starts at `start`.
    init?(_ input: UnsafeRawBufferPointer, at start: Int) {
        func endOfDigits(from index: Int) -> Int {
            var index = index
            while index < input.count, input[index] &- 0x30 <= 9 { index += 1 }
            return index
        }
        var position = start
        isNegative = input[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }

        let integerStart = position
        position = endOfDigits(from: position)
        guard position > integerStart else { return nil }
        // A number that starts with 0 ends there: 01 is none.
        if input[integerStart] == 0x30 { position = integerStart + 1 }
        integer = integerStart..<position

        if position < input.count, input[position] == UInt8(ascii: ".") {
            let fractionStart = position + 1
            position = endOfDigits(from: fractionStart)
            guard position > fractionStart else { return nil }
            fraction = fractionStart..<position
        } else {
            fraction = position..<position
        }

        var exponent = 0
        if position < input.count, input[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            var sign = 1
            if position < input.count, input[position] == UInt8(ascii: "-") || input[position] == UInt8(ascii: "+") {
                if input[position] == UInt8(ascii: "-") { sign = -1 }
                position += 1
            }
            let exponentStart = position
            position = endOfDigits(from: position)
            guard position > exponentStart else { return nil }
            for index in exponentStart..<position where exponent < 1 << 50 {
                exponent = exponent * 10 + Int(input[index] &- 0x30)
            }
            exponent *= sign
        }
        self.exponent = exponent
        self.input = input
        end = position
    }

    private var digitCount: Int { integer.count + fraction.count }

    /// Digit `index` of the number, counted over the point.
    private func digit(_ index: Int) -> UInt8 {
        index < integer.count
            ? input[integer.lowerBound + index] : input[fraction.lowerBound + index - integer.count]
    }

    /// False where the value is out of range; nothing has been appended then.
    func appendCanonical(to output: inout ByteBuffer) -> Bool {
        if fraction.isEmpty, exponent == 0, integer.count <= 21 {
            if isNegative, input[integer.lowerBound] != 0x30 { output.append(UInt8(ascii: "-")) }
            output.append(input[integer])
            return true
        }
        var first = 0
        while first < digitCount, digit(first) == 0x30 { first += 1 }
        guard first < digitCount else {
            output.append(UInt8(ascii: "0"))
            return true
        }
        var last = digitCount - 1
        while digit(last) == 0x30 { last -= 1 }

        // The value is 0.ddd… times ten to the power of `point`, with the digits from `first` to `last`.
        let point = integer.count - first + exponent
        guard abs(point - 1) <= Self.exponentMax else { return false }
        if isNegative { output.append(UInt8(ascii: "-")) }
        let significant = last - first + 1
        if point > 0, point <= 21 {
            appendDigits(first..<min(last + 1, first + point), to: &output)
            if significant > point {
                output.append(UInt8(ascii: "."))
                appendDigits(first + point..<last + 1, to: &output)
            } else {
                appendZeros(point - significant, to: &output)
            }
        } else if point <= 0, point > -6 {
            output.append(UInt8(ascii: "0"))
            output.append(UInt8(ascii: "."))
            appendZeros(-point, to: &output)
            appendDigits(first..<last + 1, to: &output)
        } else {
            appendDigits(first..<first + 1, to: &output)
            if significant > 1 {
                output.append(UInt8(ascii: "."))
                appendDigits(first + 1..<last + 1, to: &output)
            }
            output.append(UInt8(ascii: "e"))
            output.append(decimal: Int64(point - 1))
        }
        return true
    }

    private func appendDigits(_ range: Range<Int>, to output: inout ByteBuffer) {
        for index in range { output.append(digit(index)) }
    }

    private func appendZeros(_ count: Int, to output: inout ByteBuffer) {
        output.append(repeating: 0x30, count: count)
    }
}
