internal import Base

/// A variable that Kubernetes sets in every pod for every Service of its namespace, after the example of Docker's links:
/// for a Service called `chargefold-metrics`, `CHARGEFOLD_METRICS_SERVICE_HOST` and eight more. Nobody has meant us by it,
/// although for a Service called `chargefold-http` one of them has the name of `http.port`.
///
/// Recognised by the form of name and value together, so that a misspelt name of ours is still found. An empty value is of
/// every form: that is how links are switched off.
struct ServiceLink {
    /// - Returns: nil for any other variable.
    init?(name: String, value: String) {
        let prefix = ConfigurationLoader.environmentPrefix + "_"
        guard name.hasPrefix(prefix) else { return nil }
        let words = name.dropFirst(prefix.count).split(separator: "_", omittingEmptySubsequences: false)
        // The name of the Service, without what it has in common with us, may be any number of words, or none.
        for start in words.indices where Self.isLink(words[start...], value) { return }
        return nil
    }

    /// Whether the words after a Service's name make a link.
    private static func isLink(_ words: ArraySlice<Substring>, _ value: String) -> Bool {
        let rest = Array(words.dropFirst())
        func isURL(_ value: String) -> Bool { value.isEmpty || protocols.contains { value.hasPrefix($0 + "://") } }
        switch words.first {
        case "SERVICE":
            switch rest.first {
            // An IPv4 or IPv6 address.
            case "HOST" where rest.count == 1:
                return value.allSatisfy { $0.isHexDigit || $0 == "." || $0 == ":" }
            // The first port; and each port that has a name.
            case "PORT": return value.isEmpty || isNumber(value[...])
            default: return false
            }
        case "PORT":
            if rest.isEmpty { return isURL(value) }
            guard rest.count >= 2, isNumber(rest[0]), protocols.contains(rest[1].lowercased()) else { return false }
            switch rest.count {
            case 2: return isURL(value)
            case 3: return ["PROTO", "PORT", "ADDR"].contains(rest[2])
            default: return false
            }
        default: return false
        }
    }

    private static let protocols = ["tcp", "udp", "sctp"]

    private static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(ASCII.isDigit)
    }
}
