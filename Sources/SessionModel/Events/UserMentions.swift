/// Finds one user's id in bodies, and takes it out of them.
package struct UserMentions: Sendable {
    package let userId: String
    /// As it stands in a JSON text that escapes no more than it must.
    private let quoted: [UInt8]
    private let raw: [UInt8]

    package init(_ userId: String) {
        self.userId = userId
        raw = Array(userId.utf8)
        var writer = JSONWriter()
        writer.string(userId)
        quoted = writer.bytes
    }

    /// Whether this is the user, by bytes.
    package func isUser(_ other: String) -> Bool { compareUTF8(userId, other) == 0 }

    /// False where the body cannot name the user. Cheap; a backslash may hide anything, so it counts as maybe.
    package func mayBe(in body: UnsafeRawBufferPointer) -> Bool {
        body.contains(UInt8(ascii: "\\")) || Self.position(of: raw[...], in: body, from: 0) != nil
    }

    /// Whether a body that need not be a session event names the user: as a whole JSON string; or, where it is no
    /// JSON, anywhere but within a longer word.
    package func areNamed(in body: [UInt8]) -> Bool {
        if let value = try? CanonicalJSON(parsing: body) {
            return value.bytes.withUnsafeBytes { Self.position(of: quoted[...], in: $0, from: 0) != nil }
        }
        return body.withUnsafeBytes { text in
            var start = 0
            while let found = Self.position(of: raw[...], in: text, from: start) {
                let end = found + raw.count
                if !(found > 0 && Self.isOfWord(text[found - 1])) && !(end < text.count && Self.isOfWord(text[end])) {
                    return true
                }
                start = found + 1
            }
            return false
        }
    }

    /// Everything that `areNamed` may find somebody by in a body: each string of a JSON text, and where it is none each
    /// longest word. For whoever knows a user by a digest alone.
    package static func names(in body: [UInt8]) -> Set<String> {
        guard let value = try? CanonicalJSON(parsing: body) else {
            return Set(body.split { !isOfWord($0) }.compactMap { String(validating: $0, as: UTF8.self) })
        }
        var names: Set<String> = []
        let bytes = value.bytes
        var index = bytes.startIndex
        while index < bytes.endIndex {
            guard bytes[index] == UInt8(ascii: "\"") else {
                index += 1
                continue
            }
            var end = index + 1
            while end < bytes.endIndex, bytes[end] != UInt8(ascii: "\"") {
                end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
            }
            if let name = (try? CanonicalJSON(parsing: Array(bytes[index...min(end, bytes.endIndex - 1)])))?.string {
                names.insert(name)
            }
            index = end + 1
        }
        return names
    }

    /// The event without the user: `userId`, every other member of the payload in which the id appears, and all
    /// members beside `event` and `payload` are gone. Session id and timestamp stay as they are.
    ///
    /// - Returns: at most as many bytes as there were; nil where the body is no event.
    package func redacted(_ body: UnsafeRawBufferPointer) -> [UInt8]? {
        guard let value = try? CanonicalJSON(parsing: body, depthMax: .max), let event = value.member("event"),
            let payload = value.member("payload")
        else { return nil }
        let content = quoted.dropFirst().dropLast()
        let rich = envelope(event, payload) { member in
            Self.position(of: content, in: member, from: 0) == nil
        }
        // Canonical numbers can be longer than what they were written as.
        return rich.count <= body.count ? rich : envelope(event, payload) { _ in false }
    }

    private func envelope(
        _ event: CanonicalJSON, _ payload: CanonicalJSON, keeping isKept: (UnsafeRawBufferPointer) -> Bool
    ) -> [UInt8] {
        var bytes = Array(#"{"event":"#.utf8)
        bytes += event.bytes
        bytes += Array(#","payload":{"#.utf8)
        var isFirst = true
        payload.bytes.withUnsafeBytes { text in
            let reader = JSONReader(text)
            reader.forEachMember(in: 0..<text.count) { key, value in
                let isOfIdentity = reader.matches(key, "sessionId") || reader.matches(key, "timestamp")
                let member = UnsafeRawBufferPointer(rebasing: text[key.lowerBound..<value.upperBound])
                guard isOfIdentity || !reader.matches(key, "userId") && isKept(member) else { return true }
                if !isFirst { bytes.append(UInt8(ascii: ",")) }
                isFirst = false
                bytes.append(contentsOf: member)
                return true
            }
        }
        bytes += Array("}}".utf8)
        return bytes
    }

    private static func isOfWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), 0x80...0xFF:
            true
        default: false
        }
    }

    /// Where `needle` begins in `text` from `start` on.
    private static func position(
        of needle: ArraySlice<UInt8>, in text: UnsafeRawBufferPointer, from start: Int
    ) -> Int? {
        guard let first = needle.first else { return nil }
        return needle.withUnsafeBytes { needle in
            var position = start
            while position + needle.count <= text.count {
                guard text[position] == first, text[position..<position + needle.count].elementsEqual(needle) else {
                    position += 1
                    continue
                }
                return position
            }
            return nil
        }
    }
}
