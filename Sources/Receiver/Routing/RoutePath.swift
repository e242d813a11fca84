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

/// The path of a route, such as `/v1/sessions/{sessionId}/facts`.
package struct RoutePath: Sendable {
    /// What stands in the place of a segment: `{userId}`, `{sessionId}`, `{name}` or `{id}`.
    package enum Parameter: String, Sendable {
        case userId, sessionId, name, id
    }

    private enum Segment: Sendable {
        /// Where the segment stands in the template.
        case fixed(start: Int, count: Int)
        case parameter(Parameter)
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

    /// - Parameter template: fixed segments are made of unreserved characters.
    init(_ template: StaticString) {
        self.template = template
        var segments: [Segment] = []
        var start = 1
        for segment in template.description.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            let count = segment.utf8.count
            let name = String(segment.dropFirst().dropLast())
            if segment.hasPrefix("{"), let parameter = Parameter(rawValue: name) {
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

    package var parameters: [Parameter] {
        segments.compactMap { if case .parameter(let parameter) = $0 { parameter } else { nil } }
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
            switch parameter {
            case .userId: values.userId = text
            case .sessionId: values.sessionId = text
            case .name: values.name = text
            case .id:
                guard let id = Int64(text) else { return .other }
                values.id = id
            }
        }
        return .values(values)
    }
}
