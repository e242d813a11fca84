import Base
import DriveAPI
import HTTPServer
import SessionModel

extension Problem {
    static let noAPIKey = Problem(
        501, "drive-api-not-configured",
        "No Drive API key is configured, so sessions can't be started or stopped through this server.",
        detail: "Set driveApi.apiKey (CHARGEFOLD_DRIVE_API_API_KEY).")
    static let invalidStart = Problem(
        400, "invalid-start", "The body must be a JSON object with the connectorId to start at.")
    static let malformedGeosearch = Problem(
        400, "malformed-geosearch", "The body must be a JSON object with the filters, or empty.")
    static let invalidKey = Problem(
        400, "invalid-idempotency-key", "An Idempotency-Key is 1 to 255 visible ASCII characters, given once.")
    static let keyOfOtherRequest = Problem(
        422, "idempotency-key-reused", "The Idempotency-Key has been used with another request.")
    static let keyWithoutAnswer = Problem(
        409, "idempotency-outcome-unknown",
        "A request with this Idempotency-Key was made, and its outcome is not known: look at the user's sessions first."
    )
    static var keyInFlight: Problem {
        var problem = Problem(
            409, "idempotency-in-flight", "A request with this Idempotency-Key is under way; its answer will be kept.")
        problem.retryAfterSeconds = 1
        return problem
    }
    static let gatewayBusy = unavailable("gateway-busy", "Too many requests are under way.", retryAfterSeconds: 1)

    /// Longer answers are not shown: half a JSON text is none, and could end within what is to be left out.
    private static var upstreamBodyBytesMax: Int { 2_048 }

    static func cooldown(seconds: Int64) -> Problem {
        var problem = Problem(
            409, "connector-cooldown",
            "A session was started on this connector a moment ago; the charge point operator is not asked again yet.")
        problem.retryAfterSeconds = Int(seconds)
        return problem
    }

    /// What an answer of the Drive API that can't be used means for whoever asked for it.
    init(_ error: DriveAPIError) {
        func problem(_ status: UInt16, _ title: String, retryAfterSeconds: Int? = nil) -> Problem {
            var problem = Problem(status, "drive-api-\(error.code.rawValue)", title, detail: error.detail)
            problem.retryAfterSeconds = error.retryAfterSeconds ?? retryAfterSeconds
            if let status = error.status { problem = problem.with(member: "upstreamStatus", status) }
            // A page of some proxy's is for nobody's app.
            if error.body.count <= Self.upstreamBodyBytesMax, let body = try? CanonicalJSON(parsing: error.body) {
                problem = problem.with(member: "upstreamBody", body)
            }
            return problem
        }
        switch error.code {
        case .invalidRequest: self = problem(400, "An id can't be sent to the Drive API.")
        case .notFound: self = problem(404, "The Drive API knows nothing with this id, or has nothing of the kind.")
        case .rejected:
            let status = error.status.flatMap { Self.mayPass(status: $0) ? UInt16($0) : nil }
            self = problem(status ?? 502, "The Drive API does not accept the request.")
        case .unauthorized:
            self = problem(502, "The Drive API does not accept the API key of this server.")
        case .rateLimited:
            self = problem(503, "The Drive API takes no more requests now.", retryAfterSeconds: 10)
        case .timedOut: self = problem(504, "The Drive API has not answered in time.", retryAfterSeconds: 5)
        case .circuitOpen:
            self = problem(503, "The Drive API has failed lately and is not asked now.", retryAfterSeconds: 5)
        case .overloaded: self = problem(503, "Too many requests wait for the Drive API.", retryAfterSeconds: 1)
        case .closed: self = problem(503, "The server is shutting down.", retryAfterSeconds: 5)
        case .unreachable, .untrusted: self = problem(502, "The Drive API can't be reached.", retryAfterSeconds: 5)
        case .connectionLost, .upstreamFailed, .malformedAnswer:
            self = problem(502, "The Drive API has failed.", retryAfterSeconds: 5)
        }
        if error.mayHaveBeenSent {
            let warning = "The request may have had its effect: look at the session before it is sent again."
            detail = detail.map { "\($0). \(warning)" } ?? warning
        }
    }

    /// Whether a refusal says something of what was asked for. Others are about the request that this server made, ask for
    /// fields that are not passed on, or invite clients to repeat it by themselves (RFC 9110 section 15.5).
    private static func mayPass(status: Int) -> Bool {
        switch status {
        case 405...408, 411...417, 421, 425, 426, 428, 431: false
        default: 400..<500 ~= status
        }
    }
}
