internal import Base
import DriveAPI
import HTTPServer
import Logging

/// Who sent what, for a line in the log about a refusal.
enum RequestOrigin {
    /// During the call of a handler.
    static func metadata(_ request: borrowing Request, _ exchange: Exchange) -> Logger.Metadata {
        var origin: Logger.Metadata = [
            "method": "\(shown(request.head.method))", "path": "\(shownPath(request.head.path))",
            "client": "\(exchange.peer ?? "gone")",
        ]
        if let forwarded = request.head.header("x-forwarded-for") { origin["forwardedFor"] = "\(shown(forwarded))" }
        if let id = RequestTrace.id(of: request.head) { origin["requestId"] = "\(id)" }
        return origin
    }

    /// A path without the user that it may be about (docs/privacy.md): `/v1/users/…/sessions`.
    static func shownPath(_ path: UnsafeRawBufferPointer) -> String {
        var isUser = false
        let segments = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { segment in
            let bytes = UnsafeRawBufferPointer(rebasing: segment)
            defer { isUser = PercentEncoding.isSame(bytes, asUnreserved: "users") }
            return isUser && !segment.isEmpty ? "…" : String(decoding: segment, as: UTF8.self)
        }
        var text = segments.joined(separator: "/")
        return text.withUTF8 { shown(UnsafeRawBufferPointer($0)) }
    }

    /// The start of a method or a field.
    static func shown(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes.prefix(200), as: UTF8.self) + (bytes.count > 200 ? "…" : "")
    }
}
