/// The segments of a path, still percent-encoded: views into the path, valid as long as it is. Takes no memory of its own.
struct PathSegments {
    /// No resource has more.
    static let countMax = 7

    private var segments = InlineArray<7, UnsafeRawBufferPointer>(
        repeating: UnsafeRawBufferPointer(start: nil, count: 0))
    private(set) var count = 0

    /// nil for a path that does not begin with `/`, or with more than ``countMax`` segments. `/` has one that is empty.
    init?(_ path: UnsafeRawBufferPointer) {
        guard path.first == UInt8(ascii: "/") else { return nil }
        var start = 1
        for end in 1...path.count where end == path.count || path[end] == UInt8(ascii: "/") {
            guard count < Self.countMax else { return nil }
            segments[count] = UnsafeRawBufferPointer(rebasing: path[start..<end])
            count += 1
            start = end + 1
        }
    }

    /// The segment with this number, below ``count``.
    subscript(index: Int) -> UnsafeRawBufferPointer { segments[index] }

    /// The segments behind the first one.
    var withoutFirst: PathSegments {
        var rest = self
        for index in 1..<count { rest.segments[index - 1] = segments[index] }
        rest.count -= 1
        return rest
    }
}
