/// What stands in a secret that nobody sees and that counts all the same: the usual reasons why two sides that have "the
/// same" secret do not. The messages name code points, never the secret.
enum SecretOddity {
    /// What is odd about one secret; a line each.
    static func find(in text: String) -> [String] {
        var found: [String] = []
        let scalars = text.unicodeScalars
        if scalars.first?.properties.isWhitespace == true || scalars.last?.properties.isWhitespace == true {
            found.append("begins or ends with white space, which counts")
        }
        // Those at the end of a file do not count, and are gone by now.
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).count
        if lines > 1 { found.append("has \(lines) lines, which all count") }
        return found + findInvisible(in: text)
    }

    /// The same for a list of names and secrets, in which white space and lines are no part of a secret.
    static func findInvisible(in text: String) -> [String] {
        var points: [UInt32] = []
        for scalar in text.unicodeScalars where isInvisible(scalar) && !points.contains(scalar.value) {
            points.append(scalar.value)
        }
        guard !points.isEmpty else { return [] }
        let shown = points.prefix(4).map(name).joined(separator: ", ") + (points.count > 4 ? ", …" : "")
        return ["has characters that nobody sees, which count: \(shown)"]
    }

    /// Controls but for line ends and tabs, formatting (the byte order mark, zero-width spaces and the like), and white space
    /// that is none of the keyboard's.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\n", "\r", "\t", " ": return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator: return true
        default: return scalar.properties.isDefaultIgnorableCodePoint
        }
    }

    private static func name(_ point: UInt32) -> String {
        let digits = String(point, radix: 16, uppercase: true)
        let known: [UInt32: String] = [
            0: " (NUL)", 0xA0: " (no-break space)", 0xFEFF: " (byte order mark)", 0x200B: " (zero-width space)",
        ]
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + (known[point] ?? "")
    }
}
