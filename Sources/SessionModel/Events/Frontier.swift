/// Up to which of each origin's deliveries somebody has seen everything, as text that any receiver understands:
/// `a17.b5`. Letters number the origins, as the log that receivers share numbers them: a is 1, z is 26, aa is 27. There they
/// have five letters (`OwnOrigin.number`).
package struct Frontier: Sendable, Hashable {
    /// Origins that one can name. Each directory is one, and so is each start that the database does not confirm; they never
    /// go. So many fit into a request's target.
    package static let originsMax = 500
    /// Bytes of the longest text.
    package static let bytesMax = originsMax * 24

    /// By the origin's number, from 1. What is not there has not been seen.
    package private(set) var sequences: [Int: Int64]

    package init(_ sequences: [Int: Int64] = [:]) {
        self.sequences = sequences.filter { $0.key > 0 && $0.value > 0 }
    }

    package subscript(_ number: Int) -> Int64 { sequences[number] ?? 0 }

    package func covers(_ number: Int, _ sequence: Int64) -> Bool { sequence <= self[number] }

    /// Whether everything that another one covers is covered.
    package func covers(_ other: Frontier) -> Bool { other.sequences.allSatisfy { covers($0.key, $0.value) } }

    /// Everything up to that delivery has been seen.
    package mutating func advance(_ number: Int, to sequence: Int64) {
        if number > 0, sequence > self[number] { sequences[number] = sequence }
    }

    /// What both have seen together.
    package func joined(with other: Frontier) -> Frontier {
        Frontier(sequences.merging(other.sequences) { max($0, $1) })
    }

    // MARK: Text

    /// "0" where nothing has been seen.
    package var text: String {
        if sequences.isEmpty { return "0" }
        return sequences.sorted { $0.key < $1.key }.map { Self.letters($0.key) + String($0.value) }
            .joined(separator: ".")
    }

    /// Reads what `text` made; nil for any other text.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= Self.bytesMax else { return nil }
        sequences = [:]
        if text == "0" { return }
        var last = 0
        for entry in text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            let letters = entry.prefix { Self.letterCodes.contains($0) }
            let digits = entry.dropFirst(letters.count)
            guard let number = Self.number(letters), number > last, sequences.count < Self.originsMax,
                let sequence = Self.sequence(digits)
            else { return nil }
            last = number
            sequences[number] = sequence
        }
    }

    private static let letterCodes = UInt8(ascii: "a")...UInt8(ascii: "z")

    private static func letters(_ number: Int) -> String {
        var rest = number
        var letters: [UInt8] = []
        while rest > 0 {
            letters.append(UInt8(ascii: "a") + UInt8((rest - 1) % 26))
            rest = (rest - 1) / 26
        }
        return String(decoding: letters.reversed(), as: UTF8.self)
    }

    private static func number(_ letters: some Collection<UInt8>) -> Int? {
        // Numbers have five letters; with six there is one free behind any that is taken.
        guard 1...6 ~= letters.count else { return nil }
        return letters.reduce(0) { $0 * 26 + Int($1 - UInt8(ascii: "a")) + 1 }
    }

    private static func sequence(_ digits: some Collection<UInt8>) -> Int64? {
        guard 1...18 ~= digits.count, digits.first != UInt8(ascii: "0") else { return nil }
        var value: Int64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        return value
    }
}
