import Base
import CEmbedded
import HTTPServer

/// The description of the HTTP interface (OpenAPI 3.1), as `GET /openapi.json` serves it: docs/openapi.json, put in by the
/// compiler, with the version of the program that serves it.
package enum OpenAPIDocument {
    package static let json: [UInt8] = {
        var count = 0
        let first = cembedded_openapi(&count)
        return Array(UnsafeBufferPointer(start: first, count: count)).replacing(
            Array(versionInFile.utf8), with: Array(#""version": "\(Version.current)""#.utf8), maxReplacements: 1)
    }()

    /// What stands in the place of the version.
    package static let versionInFile = #""version": "of the program""#

    /// Coded once and for all.
    static let answer = ContentCoding.Fixed(Response(json: json))
}
