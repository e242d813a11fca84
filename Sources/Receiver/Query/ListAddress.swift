import HTTPServer

/// Where a list was asked for, without the place in it: for a link to its next page (RFC 8288).
struct ListAddress: Sendable {
    private let text: String

    /// nil where it was asked for with a body, or with characters that no link may have (RFC 3986 section 2).
    init?(_ head: borrowing RequestHead) {
        guard !head.isMethod("POST") else { return nil }
        var text = String(decoding: head.path, as: UTF8.self) + "?"
        for pair in head.query?.split(separator: UInt8(ascii: "&")) ?? [] where !pair.starts(with: "cursor=".utf8) {
            text += String(decoding: pair, as: UTF8.self) + "&"
        }
        let isLink = text.utf8.allSatisfy { 0x20 < $0 && $0 < 0x7F && !#"<>"\^`{|}"#.utf8.contains($0) }
        guard isLink else { return nil }
        self.text = text
    }

    /// - Parameter cursor: made of characters that need no encoding.
    func link(toPageFrom cursor: String) -> String { "<\(text)cursor=\(cursor)>; rel=\"next\"" }
}
