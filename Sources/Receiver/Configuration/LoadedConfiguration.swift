internal import Glibc

/// A configuration that holds together, with what is unwise in it and where each value came from.
package struct LoadedConfiguration: Sendable {
    package var configuration: ReceiverConfiguration
    /// Worth a line in the log; nothing that keeps a server from starting.
    package let warnings: [ConfigurationProblem]
    /// The file that was read, if any.
    package let path: String?
    let origins: [String: ConfigurationOrigin]
    /// The files that secrets came from.
    let secretFiles: [String]

    /// The same with other files that secrets came from.
    func reading(_ secretFiles: [String]) -> LoadedConfiguration {
        LoadedConfiguration(
            configuration: configuration, warnings: warnings, path: path, origins: origins, secretFiles: secretFiles)
    }

    /// Where the value of a key came from.
    package func origin(of key: ConfigurationKey) -> ConfigurationOrigin {
        origins[key.name] ?? .builtIn
    }

    /// Every key with its effective value and origin, one a line; secrets are redacted. What `--check-config` prints.
    package var report: String {
        let rows = ConfigurationKey.all.map { key in
            ("\(key.name): \(key.render(configuration) ?? "(not set)")", "\(origin(of: key))")
        }
        let width = min(60, rows.map(\.0.count).max() ?? 0)
        return rows.map { value, origin in
            value + String(repeating: " ", count: max(0, width - value.count)) + "  # " + origin + "\n"
        }.joined()
    }
}

/// A key's value out of an option of the command line.
package struct ConfigurationOverride: Sendable {
    /// The option as it is written, such as `--port`.
    package let name: String
    /// The dotted name of the key.
    package let key: String
    package let text: String

    package init(name: String, key: String, text: String) {
        self.name = name
        self.key = key
        self.text = text
    }
}

extension ReceiverConfiguration {
    /// What a configuration is loaded for.
    package enum Use: Sendable {
        /// A server: there must be a way to verify callbacks.
        case server
        /// A tool that works on the data directory or needs a secret: only what is given is checked.
        case tool
    }

    /// The file that is read when no other is named and it is there.
    package static let defaultPath = "config/chargefold.yaml"

    /// Loads the configuration: options over environment over file over defaults.
    ///
    /// - Parameters:
    ///   - path: the file; `nil`: the one that `CHARGEFOLD_CONFIG` names, else `defaultPath` if it exists.
    ///   - environment: all variables; those that do not begin with `CHARGEFOLD_` are ignored.
    ///   - defaultPath: `nil`: no file unless one is named.
    /// - Throws: everything that is wrong at once: unknown names, values out of range, unreadable files, a server without
    ///   verification.
    package static func load(
        path: String? = nil, environment: [String: String], use: Use, options: [ConfigurationOverride] = [],
        defaultPath: String? = defaultPath
    ) throws(ConfigurationError) -> LoadedConfiguration {
        var file: ConfigurationFile?
        var fileProblem: ConfigurationProblem?
        let variable = environment[ConfigurationLoader.pathVariable]
        let named = path ?? (variable?.isEmpty == true ? nil : variable)
        if let path = named ?? defaultPath.flatMap({ isReadable($0) ? $0 : nil }) {
            do {
                file = try ConfigurationFile(path: path)
            } catch {
                fileProblem = error.problem
            }
        }
        var loader = ConfigurationLoader(environment: environment, file: file, options: options)
        if let fileProblem { loader.add(fileProblem) }
        loader.run()
        // What stands in a file that cannot be read is not known, nor what is missing with it.
        if fileProblem == nil { loader.checkTogether(use) }
        guard loader.problems.isEmpty else { throw ConfigurationError(problems: loader.problems) }
        return LoadedConfiguration(
            configuration: loader.configuration, warnings: loader.warnings, path: file?.path, origins: loader.origins,
            secretFiles: loader.secretFiles)
    }

    private static func isReadable(_ path: String) -> Bool {
        access(path, R_OK) == 0
    }
}
