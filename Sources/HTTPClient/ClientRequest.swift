internal import Base

/// A request to send.
package struct ClientRequest: Sendable {
    package var method: String
    /// Path and query, beginning with `/`; sent as it is.
    package var target: String
    /// Fields besides `Host` and `Content-Length`, which are written by the client.
    package var fields: [(name: String, value: String)]
    package var body: [UInt8]
    /// Whether sending it twice does no harm. Then it is sent again, once, when a kept-alive connection turns out to
    /// have been closed.
    package var isRepeatable: Bool

    package init(
        method: String = "GET", target: String, fields: [(name: String, value: String)] = [], body: [UInt8] = [],
        isRepeatable: Bool? = nil
    ) {
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.isRepeatable = isRepeatable ?? ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].contains(method)
    }

    var hasBody: Bool { !body.isEmpty || !["GET", "HEAD", "OPTIONS", "TRACE"].contains(method) }

    /// libcurl sends what it is given: whatever would be another request on the wire ends here.
    ///
    /// - Throws: `invalidRequest`, without the value that can't be sent: it may be a secret.
    package func check() throws(HTTPClientError) {
        guard !method.isEmpty, method.utf8.allSatisfy({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) else {
            throw HTTPClientError(.invalidRequest, "the method \"\(method.prefix(40))\" is not allowed")
        }
        guard target.hasPrefix("/"), target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw HTTPClientError(.invalidRequest, "the target \"\(target.prefix(200))\" is not allowed")
        }
        guard method != "HEAD" || body.isEmpty else {
            throw HTTPClientError(.invalidRequest, "HEAD with a body is not allowed")
        }
        for field in fields {
            guard Self.isToken(field.name), field.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }),
                !["host", "content-length", "transfer-encoding"].contains(field.name.lowercased())
            else { throw HTTPClientError(.invalidRequest, "the field \(field.name.prefix(80)) can't be sent") }
        }
    }

    private static func isToken(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy(ASCII.isToken)
    }
}

/// A complete response.
package struct ClientResponse: Sendable {
    package let status: Int
    /// In the order of arrival, names as sent.
    package let fields: [(name: String, value: String)]
    package let body: [UInt8]

    package init(status: Int, fields: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// The first field of that name, whatever its case.
    package func field(_ name: String) -> String? {
        let name = name.lowercased()
        return fields.first { $0.name.lowercased() == name }?.value
    }
}
