import DriveAPI
import HTTPServer
import Logging

/// Who sent what, for a line in the log about a refusal.
enum RequestOrigin {
    /// During the call of a handler.
    static func metadata(_ request: borrowing Request, _ exchange: Exchange) -> Logger.Metadata {
        var origin: Logger.Metadata = [
            "method": "\(shown(request.head.method))", "path": "\(shown(request.head.path))",
            "client": "\(exchange.peer ?? "gone")",
        ]
        if let forwarded = request.head.header("x-forwarded-for") { origin["forwardedFor"] = "\(shown(forwarded))" }
        if let id = RequestTrace.id(of: request.head) { origin["requestId"] = "\(id)" }
        return origin
    }

    /// The start of a method, a path or a field.
    static func shown(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix(200), as: UTF8.self) + (bytes.count > 200 ? "…" : "")
    }
}
