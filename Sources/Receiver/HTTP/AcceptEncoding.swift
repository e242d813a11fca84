/// What `Accept-Encoding` says (RFC 9110 section 12.5.3).
enum AcceptEncoding {
    /// Whether gzip may be used: it is named, or `*` is, with a weight above 0.
    static func allowsGzip(_ value: UnsafeRawBufferPointer?) -> Bool {
        guard let value else { return false }
        var wildcard = false
        for element in String(decoding: value, as: UTF8.self).lowercased().split(separator: ",") {
            // An element without a coding in front of its parameters names none.
            let parts = element.split(separator: ";", omittingEmptySubsequences: false).map {
                $0.filter { $0 != " " && $0 != "\t" }
            }
            guard let coding = parts.first else { continue }
            let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
            if coding == "gzip" || coding == "x-gzip" { return weight > 0 }
            if coding == "*" { wildcard = weight > 0 }
        }
        return wildcard
    }
}
