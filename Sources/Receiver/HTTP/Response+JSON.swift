import HTTPServer
import SessionModel

extension Response {
    /// What all answers with a JSON body have in common, made once.
    private static let emptyJSON: Response = {
        var response = Response(status: 200, contentType: "application/json")
        response.add("Cache-Control", "no-store" as StaticString)
        return response
    }()

    /// An answer with a JSON body, not to be cached: what it says may be out of date the next moment.
    init(status: UInt16 = 200, json: [UInt8]) {
        self = Self.emptyJSON
        self.status = status
        body = json
    }

    /// `204`: done, and there is nothing to say.
    static var noContent: Response {
        var response = Response(status: 204)
        response.add("Cache-Control", "no-store" as StaticString)
        return response
    }

    /// `OPTIONS *` (RFC 9110 section 9.3.7).
    static func options(allow: String) -> Response {
        var response = noContent
        response.add("Allow", allow)
        return response
    }

    /// A constant answer with a JSON body.
    init(status: UInt16 = 200, json: StaticString) {
        self.init(
            status: status, json: Array(UnsafeBufferPointer(start: json.utf8Start, count: json.utf8CodeUnitCount)))
    }

    /// An error answer (RFC 9457).
    init(_ problem: Problem) {
        self.init(status: problem.status, contentType: "application/problem+json", body: problem.body)
        add("Cache-Control", "no-store" as StaticString)
        if let seconds = problem.retryAfterSeconds { add("Retry-After", String(seconds)) }
        for header in problem.headers { add(header.name, header.value) }
    }
}
