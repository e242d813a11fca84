/// Where a member of an object stands in the canonical text.
struct JSONMember {
    /// Of the name's opening quote.
    var start = 0
    /// Behind the name's closing quote.
    var keyEnd = 0
    /// Behind the value.
    var end = 0

    /// The same member in a text that begins elsewhere.
    func moved(by distance: Int) -> JSONMember {
        JSONMember(start: start + distance, keyEnd: keyEnd + distance, end: end + distance)
    }

    /// The name without its quotes.
    func name(in text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: text[start + 1..<keyEnd - 1])
    }
}

/// A stack of members. The first ones are kept in place: a callback has no more, and so none of them is allocated.
struct JSONMembers {
    private static let inPlaceMax = 16

    private var inPlace = InlineArray<16, JSONMember>(repeating: JSONMember())
    private var others: [JSONMember] = []
    private(set) var count = 0

    subscript(index: Int) -> JSONMember {
        get { index < Self.inPlaceMax ? inPlace[index] : others[index - Self.inPlaceMax] }
        set {
            if index < Self.inPlaceMax {
                inPlace[index] = newValue
            } else {
                others[index - Self.inPlaceMax] = newValue
            }
        }
    }

    mutating func append(_ member: JSONMember) {
        if count < Self.inPlaceMax { inPlace[count] = member } else { others.append(member) }
        count += 1
    }

    mutating func removeLast(_ removed: Int) {
        others.removeLast(min(removed, others.count))
        count -= removed
    }
}
