internal import Base
internal import Configuration
internal import WebhookSecurity

/// Fills a configuration from the environment and a file, and collects everything that is wrong on the way.
struct ConfigurationLoader {
    /// Every environment variable of ours begins so.
    static let environmentPrefix = "CHARGEFOLD"
    /// The variable that names the configuration file.
    static let pathVariable = "CHARGEFOLD_CONFIG"

    /// Variables of `chargefold sandbox`, which may stand in the same environment.
    private static let sandboxPrefix = "CHARGEFOLD_SANDBOX_"

    private(set) var configuration = ReceiverConfiguration()
    private(set) var origins: [String: ConfigurationOrigin] = [:]
    private(set) var problems: [ConfigurationProblem] = []
    private(set) var warnings: [ConfigurationProblem] = []
    /// The files that secrets came from.
    private(set) var secretFiles: [String] = []

    private let environment: [String: String]
    private let variables: EnvironmentVariablesProvider
    private let file: ConfigurationFile?
    private let options: [ConfigurationOverride]

    init(environment: [String: String], file: ConfigurationFile?, options: [ConfigurationOverride] = []) {
        self.options = options
        self.environment = environment.filter { $0.key.hasPrefix(Self.environmentPrefix + "_") }
        variables = EnvironmentVariablesProvider(environmentVariables: self.environment, secretsSpecifier: .all)
        self.file = file
    }

    /// The name of a key's environment variable: `http.port` is `CHARGEFOLD_HTTP_PORT`.
    static func variableName(of name: String) -> String {
        let provider = EnvironmentVariablesProvider(environmentVariables: [:])
        let key = AbsoluteConfigKey([environmentPrefix] + name.split(separator: ".").map(String.init))
        return (try? provider.value(forKey: key, type: .string).encodedKey) ?? ""
    }

    /// Reads every key of the table, and looks for names that are in no table.
    mutating func run() {
        for key in ConfigurationKey.all { read(key) }
        findUnknownVariables()
        findUnknownKeys()
    }

    mutating func add(_ problem: ConfigurationProblem) {
        problems.append(problem)
    }

    mutating func warn(_ warning: ConfigurationProblem) {
        warnings.append(warning)
    }

    // MARK: One key

    /// A value as it stood in one source.
    private struct Raw {
        /// One element but for a list in the file.
        let texts: [String]
        let origin: ConfigurationOrigin
    }

    private mutating func read(_ key: ConfigurationKey) {
        if let option = options.first(where: { $0.key == key.name }) {
            store(Raw(texts: [option.text], origin: .option(name: option.name)), .option(name: option.name), key)
            return
        }
        for isVariable in [true, false] {
            let direct = isVariable ? variable(key.name) : fileValue(key.name)
            let indirect = key.fileKeyName.flatMap { isVariable ? variable($0) : fileValue($0) }
            if let direct, let indirect {
                let both = "is given as well as \(Self.shown(indirect.origin, key.fileKeyName ?? "")): keep one of them"
                problems.append(ConfigurationProblem(key.name, direct.origin, both))
                return
            }
            guard let found = direct ?? indirect else { continue }
            let raw = direct == nil ? contents(of: found, for: key) : found
            guard let raw else { return }
            if direct == nil, key.mayHaveEmptyFile, raw.texts == [""] { continue }
            store(raw, found.origin, key)
            return
        }
    }

    private mutating func store(_ raw: Raw, _ origin: ConfigurationOrigin, _ key: ConfigurationKey) {
        // What the environment has that is no UTF-8 has become this.
        guard !raw.texts.contains(where: { $0.unicodeScalars.contains("\u{FFFD}") }) else {
            return problems.append(ConfigurationProblem(key.name, origin, "is not UTF-8 text"))
        }
        do {
            let value = try ConfigurationParser.value(raw.texts, for: key)
            key.store(value, &configuration)
            origins[key.name] = origin
            warnAboutSurroundings(raw, key)
        } catch {
            problems.append(ConfigurationProblem(key.name, origin, error.message))
        }
    }

    private static func shown(_ origin: ConfigurationOrigin, _ name: String) -> String {
        if case .environment(let variable) = origin { return variable }
        return name
    }

    private func variable(_ name: String) -> Raw? {
        let variableName = Self.variableName(of: name)
        guard let text = try? variables.environmentValue(forName: variableName), !text.isEmpty else { return nil }
        if ServiceLink(name: variableName, value: text) != nil { return nil }
        return Raw(texts: [text], origin: .environment(name: variableName))
    }

    /// The variable of a key, or of its file, that is there and empty. It counts as not set: compose makes one out of
    /// `${NAME:-}`.
    func emptyVariable(of name: String) -> ConfigurationOrigin? {
        [name, name + "File"].map(Self.variableName(of:)).first { environment[$0]?.isEmpty == true }
            .map { .environment(name: $0) }
    }

    private func fileValue(_ name: String) -> Raw? {
        guard let file, let texts = file.texts(of: name) else { return nil }
        return Raw(texts: texts, origin: file.origin(of: name))
    }

    /// Reads the file that a `…File` key names.
    private mutating func contents(of raw: Raw, for key: ConfigurationKey) -> Raw? {
        let name = key.fileKeyName
        guard raw.texts.count == 1, let path = raw.texts.first, !path.isEmpty else {
            problems.append(ConfigurationProblem(name, raw.origin, "is empty; allowed: the path of a file"))
            return nil
        }
        secretFiles.append(path)
        do {
            let bytes = try readFile(path, bytesMax: 65_536)
            guard let text = String(validating: bytes, as: UTF8.self) else {
                problems.append(ConfigurationProblem(name, raw.origin, "the file \(path) is not UTF-8 text"))
                return nil
            }
            // Ends of lines, as editors and `echo` leave them behind, and nothing else.
            let content = text.utf8.lastIndex { $0 != ASCII.lf && $0 != ASCII.cr }
            return Raw(texts: [content.map { String(text[...$0]) } ?? ""], origin: raw.origin)
        } catch {
            problems.append(ConfigurationProblem(name, raw.origin, "the file \(path) \(error.description)"))
            return nil
        }
    }

    /// What stands in a secret and cannot be seen, wherever the secret came from.
    private mutating func warnAboutSurroundings(_ raw: Raw, _ key: ConfigurationKey) {
        for text in raw.texts {
            let oddities: [String]
            switch key.kind {
            case .secret: oddities = SecretOddity.find(in: text)
            // White space around names and values is taken away, and lines are elements.
            case .namedSecrets: oddities = SecretOddity.findInvisible(in: text)
            default: return
            }
            for oddity in oddities { warn(ConfigurationProblem(key.name, raw.origin, oddity)) }
        }
    }

    // MARK: Names that are in no table

    private var names: [String] {
        ConfigurationKey.all.flatMap { [$0.name] + ($0.fileKeyName.map { [$0] } ?? []) }
    }

    private mutating func findUnknownVariables() {
        let known = names.map(Self.variableName(of:))
        var links: [String] = []
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) where name != Self.pathVariable {
            if value.isEmpty, known.contains(name) { continue }
            if ServiceLink(name: name, value: value) != nil {
                links.append(name)
            } else if !known.contains(name), !name.hasPrefix(Self.sandboxPrefix) {
                let suggestion = NearMiss.suggestion(for: name, among: known, separator: "_")
                let message = "is no key of ours" + (suggestion.map { "; did you mean \($0)?" } ?? "")
                problems.append(ConfigurationProblem(name, .environment(name: name), message))
            }
        }
        guard let first = links.first else { return }
        let others = links.count > 1 ? ", like \(links.count - 1) more of the kind," : ""
        warn(
            ConfigurationProblem(
                nil, .environment(name: first),
                """
                is what Kubernetes sets for a Service\(others) and is passed over (enableServiceLinks: false in the pod \
                turns them off)
                """))
    }

    private mutating func findUnknownKeys() {
        guard let file else { return }
        let known = names
        for name in file.names.sorted() where !known.contains(name) {
            let members = ConfigurationKey.all.map(\.name).filter { $0.hasPrefix(name + ".") }
            if !members.isEmpty {
                // A section whose keys are all commented out is a key without a value.
                if fileValue(name)?.texts == [""] { continue }
                let list = members.map { String($0.dropFirst(name.count + 1)) }.joined(separator: ", ")
                problems.append(
                    ConfigurationProblem(
                        name, file.origin(of: name), "is a section and takes no value; its keys are \(list)"))
            } else {
                let suggestion = NearMiss.suggestion(for: name, among: known, separator: ".")
                let message = "is no key of ours" + (suggestion.map { "; did you mean \($0)?" } ?? "")
                problems.append(ConfigurationProblem(name, file.origin(of: name), message))
            }
        }
    }
}
