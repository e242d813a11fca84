import HTTPServer
import SessionModel

/// An error as this API answers it. Upstream documents the status codes only; the body is our guess.
struct SandboxError: Error, Sendable, Equatable {
    let status: UInt16
    let code: String
    let message: String
    var retryAfterSeconds: Int?

    init(_ status: UInt16, _ code: String, _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    init(_ refusal: World.Refusal) {
        switch refusal {
        case .unknownConnector: self.init(404, "CONNECTOR_NOT_FOUND", "There is no connector with this id.")
        case .unknownSession: self.init(404, "SESSION_NOT_FOUND", "The user has no session with this id.")
        case .notRemote: self.init(400, "SESSION_NOT_REMOTE", "Only remotely started sessions can be stopped remotely.")
        case .notInDebt: self.init(400, "SESSION_NOT_IN_DEBT", "The session has no payment to retry.")
        case .noReceipt: self.init(404, "RECEIPT_NOT_AVAILABLE", "The session has no receipt.")
        case .tooManySessions: self.init(500, "TOO_MANY_SESSIONS", "The sandbox is full.")
        case .connectorBlocked(let seconds):
            self.init(409, "CONNECTOR_BLOCKED", "This connector was started less than a minute ago.")
            retryAfterSeconds = seconds
        }
    }

    var response: Response {
        var writer = JSONWriter(capacity: 160)
        writer.beginObject()
        writer.field("status", Int(status))
        writer.field("code", code)
        writer.field("message", message)
        writer.endObject()
        var response = Response(status: status, contentType: "application/json", body: writer.bytes)
        if let retryAfterSeconds { response.add("Retry-After", "\(retryAfterSeconds)") }
        return response
    }
}

extension Response {
    /// A JSON answer, written by `write`.
    static func json(_ status: UInt16 = 200, _ write: (inout JSONWriter) -> Void) -> Response {
        var writer = JSONWriter()
        write(&writer)
        var response = Response(status: status, contentType: "application/json", body: writer.bytes)
        response.add("Cache-Control", "no-store" as StaticString)
        return response
    }
}
