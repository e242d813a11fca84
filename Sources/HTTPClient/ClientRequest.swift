/// A request to send.
package struct ClientRequest: Sendable {
    package var method: String
    /// Path and query, beginning with `/`.
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

    /// Appends the request as it goes over the wire.
    ///
    /// - Throws: `invalidRequest` when a part can't be sent as it is: then nothing has been appended.
    package func append(to output: inout [UInt8], endpoint: Endpoint) throws(HTTPClientError) {
        let template = try RequestTemplate(method: method, target: target, endpoint: endpoint, fields: fields)
        body.withUnsafeBytes { template.append(body: $0, to: &output) }
    }
}

/// The unchanging part of many requests, written once.
package struct RequestTemplate: Sendable {
    private let head: [UInt8]
    private let mayHaveBody: Bool

    /// - Throws: `invalidRequest` when a part can't be sent as it is.
    package init(
        method: String, target: String, endpoint: Endpoint, fields: [(name: String, value: String)] = []
    ) throws(HTTPClientError) {
        guard !method.isEmpty, method.utf8.allSatisfy({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }) else {
            throw HTTPClientError(.invalidRequest, "the method \"\(method.prefix(40))\" is not allowed")
        }
        guard target.hasPrefix("/"), target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw HTTPClientError(.invalidRequest, "the target \"\(target.prefix(200))\" is not allowed")
        }
        var text = "\(method) \(target) HTTP/1.1\r\nHost: \(endpoint.hostHeader)\r\n"
        for field in fields {
            guard Self.isToken(field.name), Self.isFieldValue(field.value),
                !["host", "content-length", "transfer-encoding"].contains(field.name.lowercased())
            else { throw HTTPClientError(.invalidRequest, "the field \(field.name.prefix(80)) can't be sent") }
            text += "\(field.name): \(field.value)\r\n"
        }
        head = Array(text.utf8)
        mayHaveBody = !["GET", "HEAD", "OPTIONS", "TRACE"].contains(method)
    }

    /// Appends a request with this head.
    ///
    /// - Parameter fields: complete lines that come on top: `Name: value\r\n`. Not checked: for values that the caller
    ///   makes itself, as signatures.
    package func append(body: UnsafeRawBufferPointer, fields: String = "", to output: inout [UInt8]) {
        output.append(contentsOf: head)
        output.append(contentsOf: fields.utf8)
        if mayHaveBody || !body.isEmpty {
            output.append(contentsOf: "Content-Length: ".utf8)
            output.append(contentsOf: String(body.count).utf8)
            output.append(contentsOf: "\r\n\r\n".utf8)
            output.append(contentsOf: body)
        } else {
            output.append(contentsOf: "\r\n".utf8)
        }
    }

    private static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !Array("\"(),/:;<=>?@[\\]{}".utf8).contains($0) }
    }

    private static func isFieldValue(_ value: String) -> Bool {
        value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
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
