internal import Base
internal import DriveAPI
internal import WebhookSecurity

/// Turns the texts of a value into the value, and says what is allowed when that fails.
enum ConfigurationParser {
    struct Failure: Error {
        let message: String
    }

    /// - Parameter texts: one text, or the elements of a list.
    static func value(_ texts: [String], for key: ConfigurationKey) throws(Failure) -> ConfigurationKey.Value {
        if case .namedSecrets(let separatedByCommas) = key.kind {
            return .namedSecrets(try namedSecrets(texts, separatedByCommas: separatedByCommas, key))
        }
        guard texts.count == 1, let text = texts.first else {
            throw Failure(message: "takes one value, not a list; allowed: \(key.allowed)")
        }
        guard !text.isEmpty else { throw Failure(message: "is empty; allowed: \(key.allowed)") }
        let value: ConfigurationKey.Value? =
            switch key.kind {
            case .integer(let range, let isBytes):
                integer(text, isBytes: isBytes).flatMap { range.contains($0) ? .integer($0) : nil }
            case .boolean: boolean(text).map { .boolean($0) }
            case .text: text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F } ? nil : .text(text)
            case .choice(let choices): choices.contains(text.lowercased()) ? .text(text.lowercased()) : nil
            case .pathTemplate: PathTemplate(text).map { .pathTemplate($0) }
            case .mode: mode(text).map { .mode($0) }
            case .secret, .namedSecrets: SecretKey(utf8: text).map { .secret($0) }
            }
        guard let value else {
            throw Failure(message: "\"\(text.prefix(80))\" is not allowed; allowed: \(key.allowed)")
        }
        return value
    }

    private static func integer(_ text: String, isBytes: Bool) -> Int? {
        var digits = text.replacing("_", with: "")[...]
        var factor = 1
        if isBytes {
            for (suffix, value) in [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)] where digits.hasSuffix(suffix)
            {
                digits = digits.dropLast(3)
                while digits.last == " " { digits = digits.dropLast() }
                factor = value
            }
        }
        guard !digits.isEmpty, digits.utf8.allSatisfy(ASCII.isDigit),
            let number = Int(digits)
        else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }

    private static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "on", "1": true
        case "false", "no", "off", "0": false
        default: nil
        }
    }

    private static func mode(_ text: String) -> UInt32? {
        let digits = text.hasPrefix("0o") ? text.dropFirst(2) : text[...]
        guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }),
            let bits = UInt32(digits, radix: 8), bits <= 0o777
        else { return nil }
        return bits
    }

    /// `name:value`, one an element or a line (or between commas). Messages name the element by its number: it may
    /// be that the secret stands where the name should.
    private static func namedSecrets(
        _ texts: [String], separatedByCommas: Bool, _ key: ConfigurationKey
    ) throws(Failure) -> [NamedSecret] {
        let elements = texts.flatMap { text in
            text.split { $0.isNewline || separatedByCommas && $0 == "," }.filter { !$0.allSatisfy(\.isWhitespace) }
        }
        guard !elements.isEmpty else { throw Failure(message: "is empty; allowed: \(key.allowed)") }
        var secrets: [NamedSecret] = []
        for (index, element) in elements.enumerated() {
            // At bytes: what follows may be a character together with it.
            guard let colon = element.utf8.firstIndex(of: UInt8(ascii: ":")) else {
                throw Failure(message: "element \(index + 1) has no colon; allowed: \(key.allowed)")
            }
            let name = trimmed(element[..<colon])
            var value = element[element.utf8.index(after: colon)...]
            var scopes: [Scope] = [.read]
            if separatedByCommas, let end = value.utf8.firstIndex(of: UInt8(ascii: ":")) {
                scopes = try self.scopes(value[value.utf8.index(after: end)...], of: index + 1)
                value = value[..<end]
            }
            guard !name.isEmpty, let secret = SecretKey(utf8: trimmed(value)) else {
                throw Failure(message: "element \(index + 1) lacks a name or a value; allowed: \(key.allowed)")
            }
            guard !secrets.contains(where: { $0.name.lowercased() == name.lowercased() }) else {
                throw Failure(message: "has the name \(name) twice")
            }
            secrets.append(NamedSecret(name: name, value: secret, scopes: scopes))
        }
        return secrets
    }

    private static func scopes(_ text: Substring, of element: Int) throws(Failure) -> [Scope] {
        let words = text.split(whereSeparator: \.isWhitespace)
        let scopes = words.compactMap { Scope(String($0)) }
        guard !words.isEmpty, scopes.count == words.count else {
            throw Failure(message: "element \(element) has an unknown scope; allowed: \(Scope.allowed)")
        }
        return scopes
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return String(text)
    }
}
