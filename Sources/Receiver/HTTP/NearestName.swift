/// What somebody may have meant who wrote a name that is not known. Upper and lower case make no difference.
enum NearestName {
    /// The known name that is meant, if one is near enough; for a sentence, with its question.
    static func hint(_ name: String, among known: some Collection<String>) -> String {
        if known.isEmpty { return " There is none." }
        let wanted = String(name.prefix(64))
        let meant =
            nearest(to: wanted, among: known, changesMax: changesMax(wanted, max(2, wanted.utf8.count / 3)))
            ?? soleKin(of: wanted, among: known)
        return meant.map { " Did you mean \($0)?" } ?? " Known are: \(known.sorted().joined(separator: ", "))."
    }

    /// The known name of which this one is hardly anything but a slip: two changes at most.
    static func nearest(to name: String, among known: some Collection<String>) -> String? {
        let wanted = String(name.prefix(64))
        return nearest(to: wanted, among: known, changesMax: changesMax(wanted, 2))
    }

    /// A short name is soon another one.
    private static func changesMax(_ name: String, _ ofLonger: Int) -> Int { name.utf8.count < 5 ? 1 : ofLonger }

    /// The name that takes the fewest changes, where these are few; of several the first by the alphabet.
    static func nearest(to name: String, among known: some Collection<String>, changesMax: Int) -> String? {
        let wanted = Array(name.lowercased().utf8)
        let nearest = known.map { (name: $0, changes: changes(wanted, Array($0.lowercased().utf8))) }
            .min { ($0.changes, $0.name) < ($1.changes, $1.name) }
        return nearest.flatMap { $0.changes <= changesMax ? $0.name : nil }
    }

    /// The only name that begins as the one wanted, or that this one ends with: `stat` and `sessionStatus` for `status`.
    private static func soleKin(of name: String, among known: some Collection<String>) -> String? {
        let wanted = name.lowercased()
        guard wanted.utf8.count > 2 else { return nil }
        let kin = known.filter { $0.lowercased().hasPrefix(wanted) || wanted.hasSuffix($0.lowercased()) }
        return kin.count == 1 ? kin.first : nil
    }

    /// Insertions, removals, replacements and swaps of neighbours from one text to another (Damerau and Levenshtein).
    private static func changes(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for (row, leftByte) in left.enumerated() {
            var current = [row + 1]
            for (column, rightByte) in right.enumerated() {
                var best = min(previous[column + 1], current[column]) + 1
                best = min(best, previous[column] + (leftByte == rightByte ? 0 : 1))
                if row > 0, column > 0, leftByte == right[column - 1], left[row - 1] == rightByte {
                    best = min(best, beforePrevious[column - 1] + 1)
                }
                current.append(best)
            }
            (beforePrevious, previous) = (previous, current)
        }
        return previous[right.count]
    }
}
