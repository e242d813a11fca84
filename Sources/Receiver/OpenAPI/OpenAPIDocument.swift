import CEmbedded
import HTTPServer

/// The description of the HTTP interface (OpenAPI 3.1), as `GET /openapi.json` serves it: docs/openapi.json, put in by the
/// compiler.
package enum OpenAPIDocument {
    package static let json: [UInt8] = {
        var count = 0
        let first = cembedded_openapi(&count)
        return Array(UnsafeBufferPointer(start: first, count: count))
    }()

    /// Coded once and for all.
    static let answer = ContentCoding.Fixed(Response(json: json))
}
