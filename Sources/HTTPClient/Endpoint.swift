/// A server: where it is, and the path below which requests go.
package struct Endpoint: Sendable, Hashable {
    package enum Transport: Sendable, Hashable {
        case tcp(host: String, port: UInt16)
        case tls(host: String, port: UInt16)
        case unix(path: String)
    }

    package let transport: Transport
    /// The path (and query) of the URL; `/` when it has none.
    package let target: String

    package init(transport: Transport, target: String = "/") {
        self.transport = transport
        self.target = target
    }

    /// Reads `http://host:port/path`, `https://…` or `unix:/path/of/socket`. IPv6 addresses stand in brackets.
    ///
    /// - Throws: `invalidURL` with what is wrong.
    package init(url: String) throws(HTTPClientError) {
        func invalid(_ reason: String) -> HTTPClientError {
            HTTPClientError(.invalidURL, "\"\(url.prefix(200))\" \(reason); allowed: http://, https:// and unix:/path")
        }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw invalid("has characters that a URL can't have")
        }
        if let path = url.dropping(prefix: "unix:") {
            guard path.hasPrefix("/"), path.utf8.count < 108 else {
                throw invalid("needs an absolute path of less than 108 bytes")
            }
            self.init(transport: .unix(path: String(path)))
            return
        }
        let isTLS = url.lowercased().hasPrefix("https://")
        guard isTLS || url.lowercased().hasPrefix("http://") else { throw invalid("is no URL of a kind known here") }
        let rest = url.dropFirst(isTLS ? 8 : 7)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let authority = rest[..<end]
        let path = rest[end...]
        guard !path.contains("#") else { throw invalid("has a fragment, which is never sent") }
        guard !authority.contains("@") else { throw invalid("has a user name: give credentials as headers") }

        var host = authority
        var portText: Substring?
        if authority.first == "[" {
            guard let bracket = authority.firstIndex(of: "]") else { throw invalid("has an opening bracket only") }
            host = authority[authority.index(after: authority.startIndex)..<bracket]
            let tail = authority[authority.index(after: bracket)...]
            guard tail.isEmpty || tail.first == ":" else { throw invalid("has something behind the bracket") }
            portText = tail.isEmpty ? nil : tail.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty else { throw invalid("has no host") }
        var port: UInt16 = isTLS ? 443 : 80
        if let portText {
            guard portText.allSatisfy({ $0.isNumber }), let number = UInt16(portText), number > 0 else {
                throw invalid("has no valid port (1 to 65535)")
            }
            port = number
        }
        let target = path.isEmpty ? "/" : path.first == "?" ? "/" + path : String(path)
        self.init(
            transport: isTLS ? .tls(host: String(host), port: port) : .tcp(host: String(host), port: port),
            target: target)
    }

    /// The value of the `Host` header.
    package var hostHeader: String {
        switch transport {
        case .tcp(let host, let port): Self.bracketed(host) + (port == 80 ? "" : ":\(port)")
        case .tls(let host, let port): Self.bracketed(host) + (port == 443 ? "" : ":\(port)")
        case .unix: "localhost"
        }
    }

    /// What libcurl is told in place of the whole URL; the target comes with each request.
    var origin: String { unixPath == nil ? description : "http://localhost" }

    var unixPath: String? {
        if case .unix(let path) = transport { path } else { nil }
    }

    /// The name or address that a certificate must be for; nil without TLS.
    var tlsHost: String? {
        if case .tls(let host, _) = transport { host } else { nil }
    }

    private static func bracketed(_ host: String) -> String {
        host.contains(":") ? "[\(host)]" : host
    }
}

extension Endpoint: CustomStringConvertible {
    package var description: String {
        switch transport {
        case .tcp: "http://\(hostHeader)"
        case .tls: "https://\(hostHeader)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

extension String {
    fileprivate func dropping(prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
