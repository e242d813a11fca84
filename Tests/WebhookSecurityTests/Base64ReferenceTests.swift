import Testing
import WebhookSecurity

/// Base64 as RFC 4648 section 4 says it, one character after the other: what the real decoder is compared with.
private func decodeNaively(_ text: [UInt8], count: Int) -> [UInt8]? {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    guard text.count == (count + 2) / 3 * 4 else { return nil }
    let paddings = (3 - count % 3) % 3
    guard text.suffix(paddings).allSatisfy({ $0 == UInt8(ascii: "=") }) else { return nil }
    var bits: [Bool] = []
    for character in text.dropLast(paddings) {
        guard let value = alphabet.firstIndex(of: character) else { return nil }
        for shift in stride(from: 5, through: 0, by: -1) { bits.append(value >> shift & 1 == 1) }
    }
    guard !bits.dropFirst(count * 8).contains(true) else { return nil }
    return (0..<count).map { index in bits[index * 8..<index * 8 + 8].reduce(0) { $0 << 1 | ($1 ? 1 : 0) } }
}

private func decode(_ text: [UInt8], count: Int) -> [UInt8]? {
    var output = [UInt8](repeating: 0xEE, count: count)
    let isValid = text.withUnsafeBytes { text in output.withUnsafeMutableBytes { Base64.decode(text, into: $0) } }
    return isValid ? output : nil
}

private func encode(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { Base64.encode($0) } }

@Suite struct Base64ReferenceTests {
    @Test(arguments: 0...70) func `every length comes back`(count: Int) {
        for offset in [0, 1, 77, 190, 250] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + offset) }
            let text = Array(encode(bytes).utf8)
            #expect(text.count == (count + 2) / 3 * 4)
            #expect(decode(text, count: count) == bytes)
            #expect(decodeNaively(text, count: count) == bytes)
            for wrong in [count - 4, count - 1, count + 1, count + 4] where wrong >= 0 {
                #expect(decode(text, count: wrong) == decodeNaively(text, count: wrong))
            }
        }
    }

    @Test(arguments: [0, 1, 2, 3, 4, 5, 6, 7, 8, 30, 31, 32, 64])
    func `every byte at every place is judged as the naive decoder judges it`(count: Int) {
        let text = Array(encode((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 91 &+ 13) }).utf8)
        for place in text.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = text
                changed[place] = byte
                #expect(decode(changed, count: count) == decodeNaively(changed, count: count), "\(byte) at \(place)")
            }
        }
    }
}
