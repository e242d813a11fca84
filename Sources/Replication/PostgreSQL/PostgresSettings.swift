internal import CPostgreSQL

/// Where the database is and how to get there: a connection string of libpq (URI or key=value), with defaults for what
/// keeps a receiver from waiting for a host that is gone.
package struct PostgresSettings: Sendable, Equatable {
    /// One host and all that is needed for it, as libpq's keywords.
    struct Host: Sendable, Equatable {
        let name: String
        let keywords: [String: String]
    }

    /// In the order in which they are tried.
    let hosts: [Host]
    /// Milliseconds for each host.
    let connectMilliseconds: Int
    /// To be kept out of every message.
    private let password: String

    /// Parses a connection string.
    /// - Throws: `settings`, without libpq's words: those may quote the string, and the string may have a password.
    package init(url: String) throws(PostgresError) {
        var keywords = try Self.parse(url)
        for (keyword, value) in Self.defaults where keywords[keyword] == nil { keywords[keyword] = value }
        password = keywords["password"] ?? ""
        let seconds = keywords["connect_timeout"].flatMap { Int($0) } ?? 0
        connectMilliseconds = seconds > 0 ? seconds * 1_000 : 2_000
        let names = Self.list(keywords["host"])
        let addresses = Self.list(keywords["hostaddr"])
        let ports = Self.list(keywords["port"])
        let count = max(names.count, addresses.count, 1)
        guard names.isEmpty || addresses.isEmpty || names.count == addresses.count,
            ports.count <= 1 || ports.count == count
        else { throw PostgresError(.settings, "there are not as many hosts as addresses or ports") }
        var hosts: [Host] = []
        for index in 0..<count {
            var own = keywords
            own["host"] = names.isEmpty ? nil : names[index]
            own["hostaddr"] = addresses.isEmpty ? nil : addresses[index]
            own["port"] = ports.isEmpty ? nil : ports[ports.count == 1 ? 0 : index]
            hosts.append(Host(name: own["host"] ?? own["hostaddr"] ?? "the local socket", keywords: own))
        }
        self.hosts = hosts
    }

    /// Leaves the password out of a message, whoever has put it there.
    func redact(_ message: String) -> String {
        guard !password.isEmpty else { return message }
        var pieces: [Substring] = []
        var rest = Substring(message)
        while let found = rest.firstRange(of: password) {
            pieces.append(rest[..<found.lowerBound])
            rest = rest[found.upperBound...]
        }
        return (pieces + [rest]).joined(separator: "…")
    }

    /// A host that is gone is noticed within seconds, whether something is on its way to it or not; of several hosts the
    /// one that takes writes is meant.
    private static let defaults = [
        "target_session_attrs": "read-write", "tcp_user_timeout": "10000", "keepalives_idle": "5",
        "keepalives_interval": "2", "keepalives_count": "3", "client_encoding": "UTF8",
    ]

    private static func list(_ value: String?) -> [String] {
        guard let value, !value.isEmpty else { return [] }
        return value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    private static func parse(_ url: String) throws(PostgresError) -> [String: String] {
        var error: UnsafeMutablePointer<CChar>?
        let parsed = PQconninfoParse(url, &error)
        defer {
            PQconninfoFree(parsed)
            PQfreemem(error)
        }
        guard let parsed else { throw PostgresError(.settings, "this is no connection string of PostgreSQL") }
        var keywords: [String: String] = [:]
        var option = parsed
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { keywords[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return keywords
    }
}

extension Substring {
    /// Where `text` stands, by bytes.
    fileprivate func firstRange(of text: String) -> Range<Index>? {
        var start = startIndex
        while start != endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
