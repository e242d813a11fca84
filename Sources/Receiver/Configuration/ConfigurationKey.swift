import DriveAPI
import WebhookSecurity

/// One key: its name, what it takes, what it is for, and where its value goes.
///
/// The table of all keys drives parsing, the search for unknown keys, the report of `--check-config` and
/// `config/chargefold.yaml`.
package struct ConfigurationKey: Sendable {
    /// What a key takes.
    enum Kind: Sendable {
        /// `isBytes`: KiB, MiB and GiB may follow the number.
        case integer(ClosedRange<Int>, isBytes: Bool)
        case boolean
        case text
        case choice([String])
        /// Method and path of a request to the Drive API.
        case pathTemplate
        /// File permission bits in octal.
        case mode
        /// One secret; also from a file, under the key's name + `File`.
        case secret
        /// Names with secrets; also from a file, under the key's name + `File`.
        case namedSecrets(separatedByCommas: Bool)

        var isSecret: Bool {
            switch self {
            case .secret, .namedSecrets: true
            default: false
            }
        }
    }

    enum Value: Sendable {
        case integer(Int)
        case boolean(Bool)
        case text(String)
        case mode(UInt32)
        case pathTemplate(PathTemplate)
        case secret(SecretKey)
        case namedSecrets([NamedSecret])
    }

    /// Sections and key, with dots between: `http.port`.
    package let name: String
    let kind: Kind
    /// What the number counts, in the plural.
    let unit: String?
    /// Whether an empty file is no value, as an empty variable is: where there being none is the usual case. Any other secret
    /// is there to be used, and its empty file is rather one that is being written.
    var mayHaveEmptyFile: Bool { name == "webhook.secretNext" }

    /// Shown in the documented file where there is no default.
    let example: String
    let documentation: String
    /// Puts a value of the right kind into place.
    let store: @Sendable (Value, inout ReceiverConfiguration) -> Void
    /// The value in place as the file would have it (secrets: only whether and how long); `nil` when not set.
    let render: @Sendable (ReceiverConfiguration) -> String?
    /// What a secret is, for comparing; nil where what is rendered tells everything.
    var secretContent: (@Sendable (ReceiverConfiguration) -> [[UInt8]])?

    /// What is allowed, for messages and documentation.
    var allowed: String {
        switch kind {
        case .integer(let range, let isBytes):
            "a whole number from \(range.lowerBound) to \(range.upperBound)"
                + (unit.map { " (\($0))" } ?? "") + (isBytes ? ", with KiB, MiB or GiB after it if you like" : "")
        case .boolean: "true or false"
        case .text: "text that is not empty"
        case .choice(let choices): choices.dropLast().joined(separator: ", ") + " or " + (choices.last ?? "")
        case .pathTemplate: "GET, POST or PUT, a space, and a path with {sessionId}"
        case .mode: "permission bits in octal, 0000 to 0777"
        case .secret: "a secret that is not empty"
        case .namedSecrets(separatedByCommas: true):
            "a list of name:token or name:token:scopes (\(Scope.allowed))"
        case .namedSecrets(separatedByCommas: false): "a list of \"Name: value\""
        }
    }

    /// Puts the value of one configuration into another; nil where that is not asked for.
    private var copy: (@Sendable (_ from: ReceiverConfiguration, _ to: inout ReceiverConfiguration) -> Void)?
    /// The value counts as soon as it is read again, while the server runs: this takes it over. nil: it needs a restart.
    private(set) var reload: (@Sendable (_ from: ReceiverConfiguration, _ to: inout ReceiverConfiguration) -> Void)?

    /// The same key, whose value counts as soon as it is read again. `ConfigurationReloader` hands it to whoever uses it.
    var reloadable: Self {
        var key = self
        key.reload = copy
        return key
    }

    /// Whether two configurations have the same value.
    func isSame(_ one: ReceiverConfiguration, _ other: ReceiverConfiguration) -> Bool {
        render(one) == render(other) && secretContent?(one) == secretContent?(other)
    }

    var components: [String] { name.split(separator: ".").map(String.init) }
    /// The key that names a file with the secret.
    var fileKeyName: String? { kind.isSecret ? name + "File" : nil }
}

extension ConfigurationKey {
    static func integer<Number: WholeNumber>(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, Number> & Sendable,
        _ range: ClosedRange<Int>, unit: String? = nil, _ documentation: String
    ) -> Self {
        Self(
            name: name, kind: .integer(range, isBytes: unit == "bytes"), unit: unit, example: "",
            documentation: documentation
        ) { value, configuration in
            if case .integer(let number) = value { configuration[keyPath: path] = Number(number) }
        } render: {
            String($0[keyPath: path].whole)
        }
    }

    static func pathTemplate(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, PathTemplate> & Sendable,
        _ documentation: String
    ) -> Self {
        Self(name: name, kind: .pathTemplate, unit: nil, example: "", documentation: documentation) {
            value, configuration in
            if case .pathTemplate(let template) = value { configuration[keyPath: path] = template }
        } render: {
            $0[keyPath: path].description
        }
    }

    static func boolean(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, Bool> & Sendable, _ documentation: String
    ) -> Self {
        Self(name: name, kind: .boolean, unit: nil, example: "", documentation: documentation) { value, configuration in
            if case .boolean(let flag) = value { configuration[keyPath: path] = flag }
        } render: {
            String($0[keyPath: path])
        }
    }

    static func text(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, String> & Sendable, _ documentation: String
    ) -> Self {
        Self(name: name, kind: .text, unit: nil, example: "", documentation: documentation) { value, configuration in
            if case .text(let text) = value { configuration[keyPath: path] = text }
        } render: {
            $0[keyPath: path]
        }
    }

    static func optionalText(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, String?> & Sendable, example: String,
        _ documentation: String
    ) -> Self {
        Self(name: name, kind: .text, unit: nil, example: example, documentation: documentation) {
            value, configuration in
            if case .text(let text) = value { configuration[keyPath: path] = text }
        } render: {
            $0[keyPath: path]
        }
    }

    static func mode(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, UInt32> & Sendable, _ documentation: String
    ) -> Self {
        Self(name: name, kind: .mode, unit: nil, example: "", documentation: documentation) { value, configuration in
            if case .mode(let bits) = value { configuration[keyPath: path] = bits }
        } render: {
            let digits = String($0[keyPath: path], radix: 8)
            return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
        }
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & SendableMetatype>(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, Choice> & Sendable, _ documentation: String
    ) -> Self {
        var key = Self(
            name: name, kind: .choice(Choice.allCases.map(\.rawValue)), unit: nil, example: "",
            documentation: documentation
        ) { value, configuration in
            if case .text(let text) = value, let choice = Choice(rawValue: text) {
                configuration[keyPath: path] = choice
            }
        } render: {
            $0[keyPath: path].rawValue
        }
        key.copy = { $1[keyPath: path] = $0[keyPath: path] }
        return key
    }

    static func secret(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, SecretKey?> & Sendable, example: String,
        _ documentation: String
    ) -> Self {
        var key = Self(name: name, kind: .secret, unit: nil, example: example, documentation: documentation) {
            value, configuration in
            if case .secret(let secret) = value { configuration[keyPath: path] = secret }
        } render: {
            $0[keyPath: path].map { "<secret of \($0.count) bytes>" }
        }
        key.copy = { $1[keyPath: path] = $0[keyPath: path] }
        key.secretContent = { $0[keyPath: path].map { [$0.withUnsafeBytes { Array($0) }] } ?? [] }
        return key
    }

    static func namedSecrets(
        _ name: String, _ path: any WritableKeyPath<ReceiverConfiguration, [NamedSecret]> & Sendable,
        separatedByCommas: Bool, example: String, _ documentation: String
    ) -> Self {
        var key = Self(
            name: name, kind: .namedSecrets(separatedByCommas: separatedByCommas), unit: nil, example: example,
            documentation: documentation
        ) { value, configuration in
            if case .namedSecrets(let secrets) = value { configuration[keyPath: path] = secrets }
        } render: { configuration in
            let secrets = configuration[keyPath: path]
            return secrets.isEmpty
                ? nil
                : "["
                    + secrets.map { secret in
                        let scopes = separatedByCommas ? " for " + secret.scopes.map(\.text).joined(separator: " ") : ""
                        return "\(secret.name): <secret of \(secret.value.count) bytes>\(scopes)"
                    }.joined(separator: ", ") + "]"
        }
        key.copy = { $1[keyPath: path] = $0[keyPath: path] }
        key.secretContent = { $0[keyPath: path].map { $0.value.withUnsafeBytes { Array($0) } } }
        return key
    }
}

/// What a setting may be that the file has as a whole number, in range of `Int`.
package protocol WholeNumber: Sendable, SendableMetatype {
    init(_ number: Int)
    var whole: Int { get }
}

extension Int: WholeNumber {
    package var whole: Int { self }
}

extension Int64: WholeNumber {
    package var whole: Int { Int(self) }
}

extension Double: WholeNumber {
    package var whole: Int { Int(self) }
}
