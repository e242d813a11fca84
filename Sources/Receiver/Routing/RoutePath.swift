internal import Base
import HTTPServer

/// What a path names: the values of the segments in braces.
package struct PathValues: Sendable, Equatable {
    package var userId = ""
    package var sessionId = ""
    /// A receiver's.
    package var name = ""
    /// The number of an entry.
    package var id: Int64 = 0
}

/// What may stand in braces in the place of a segment.
struct PathParameter: Sendable {
    let name: String
    /// Takes the decoded text, where it is something that such a path can name.
    let read: @Sendable (_ text: String, inout PathValues) -> Bool

    /// A new one has a member of ``PathValues`` and a line here.
    static let all = [
        PathParameter("userId") { $1.userId = $0 },
        PathParameter("sessionId") { $1.sessionId = $0 },
        PathParameter("name") { $1.name = $0 },
        PathParameter(number: "id") { $1.id = $0 },
    ]

    private init(_ name: String, set: @escaping @Sendable (String, inout PathValues) -> Void) {
        self.name = name
        read = { text, values in
            set(text, &values)
            return true
        }
    }

    private init(number name: String, set: @escaping @Sendable (Int64, inout PathValues) -> Void) {
        self.name = name
        read = { text, values in
            guard let number = Int64(text) else { return false }
            set(number, &values)
            return true
        }
    }
}

/// The path of a route, such as `/v1/sessions/{sessionId}/facts`.
package struct RoutePath: Sendable {
    private enum Segment: Sendable {
        /// Where the segment stands in the template.
        case fixed(start: Int, count: Int)
        case parameter(PathParameter)
    }

    /// What a path says, read as this one.
    enum Reading {
        case values(PathValues)
        /// It is not this path.
        case other
        /// It is, but a percent-encoding in it is invalid (RFC 3986 section 2.1), or it does not decode to UTF-8.
        case malformed
    }

    let template: StaticString
    private let segments: [Segment]

    /// - Parameter template: fixed segments are made of unreserved characters; the others are parameters that there are.
    init(_ template: StaticString) {
        self.template = template
        var segments: [Segment] = []
        var start = 1
        for segment in template.description.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            let count = segment.utf8.count
            if segment.hasPrefix("{") {
                let parameter = PathParameter.all.first { segment == "{\($0.name)}" }
                guard let parameter else { preconditionFailure("PathParameter.all has no \(segment)") }
                segments.append(.parameter(parameter))
            } else {
                segments.append(.fixed(start: start, count: count))
            }
            start += count + 1
        }
        self.segments = segments
        hasParameters = segments.contains { if case .parameter = $0 { true } else { false } }
    }

    package var text: String { template.description }

    let hasParameters: Bool

    /// The names of what it has in braces.
    package var parameters: [String] {
        segments.compactMap { if case .parameter(let parameter) = $0 { parameter.name } else { nil } }
    }

    /// Whether a path is this one, whatever stands in the places of its parameters.
    func matches(_ path: PathSegments) -> Bool {
        guard path.count == segments.count else { return false }
        for index in segments.indices {
            switch segments[index] {
            case .fixed(let start, let count):
                let text = UnsafeRawBufferPointer(start: template.utf8Start + start, count: count)
                guard PercentEncoding.isSame(path[index], asUnreserved: text) else { return false }
            case .parameter: if path[index].isEmpty { return false }
            }
        }
        return true
    }

    /// - Parameter path: one that ``matches(_:)``.
    func read(_ path: PathSegments) -> Reading {
        guard hasParameters else { return .values(PathValues()) }
        var values = PathValues()
        for index in segments.indices {
            guard case .parameter(let parameter) = segments[index] else { continue }
            guard let text = PercentEncoding.decode(path[index]) else { return .malformed }
            guard parameter.read(text, &values) else { return .other }
        }
        return .values(values)
    }
}
