import Compression
import HTTPServer

/// Compresses answers for clients that take gzip (RFC 9110 section 12.5.3).
enum ContentCoding {
    /// Below, compressing costs more than it saves.
    static let bodyBytesMin = 1024
    /// Fast: an answer is compressed once and read once.
    private static let level = 1

    /// What to do with the answer to this request, whatever it turns out to be.
    static func transform(for head: borrowing RequestHead) -> @Sendable (consuming Response) -> Response {
        AcceptEncoding.allowsGzip(head.header("accept-encoding")) ? compressed : plain
    }

    /// Entity tags stay as they are: ours are weak, and say that the content means the same in every coding.
    private static let compressed: @Sendable (consuming Response) -> Response = { given in
        guard given.body.count >= bodyBytesMin else { return given }
        var response = given
        response.add("Vary", "Accept-Encoding" as StaticString)
        guard let body = try? gzip(response.body, level: level), body.count < response.body.count else {
            return response
        }
        response.body = body
        response.add("Content-Encoding", "gzip" as StaticString)
        return response
    }

    /// For an answer that is always the same: it is compressed once.
    struct Fixed: Sendable {
        private let plain: Response
        private let compressed: Response

        init(_ response: Response) {
            plain = ContentCoding.plain(response)
            compressed = ContentCoding.compressed(response)
        }

        func response(for head: borrowing RequestHead) -> Response {
            AcceptEncoding.allowsGzip(head.header("accept-encoding")) ? compressed : plain
        }
    }

    private static let plain: @Sendable (consuming Response) -> Response = { given in
        guard given.body.count >= bodyBytesMin else { return given }
        var response = given
        response.add("Vary", "Accept-Encoding" as StaticString)
        return response
    }
}
