/// What somebody may have meant who wrote a name that is not known.
enum NearestName {
    /// The known name that takes the fewest changes, if these are few; for a sentence, with its question.
    static func hint(_ name: String, among known: some Collection<String>) -> String {
        if known.isEmpty { return " There is none." }
        let wanted = Array(name.lowercased().utf8.prefix(64))
        let nearest = known.map { (name: $0, changes: changes(wanted, Array($0.lowercased().utf8))) }
            .min { ($0.changes, $0.name) < ($1.changes, $1.name) }
        if let nearest, nearest.changes <= max(1, wanted.count / 3) { return " Did you mean \(nearest.name)?" }
        return " Known are: \(known.sorted().joined(separator: ", "))."
    }

    /// Insertions, removals and replacements from one text to another (Levenshtein).
    private static func changes(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (index, byte) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in right.indices {
                let replaced = diagonal + (byte == right[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, diagonal + 1, row[column] + 1)
            }
        }
        return row[right.count]
    }
}
