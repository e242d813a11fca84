import ArgumentParser
import Glibc
import Receiver

/// What every subcommand that needs the configuration takes.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The configuration file; else CHARGEFOLD_CONFIG, else config/chargefold.yaml where it exists.",
            valueName: "path"))
    var config: String?

    @Option(
        name: .long,
        help: ArgumentHelp("The data directory, in place of the configured one.", valueName: "path"))
    var dataDirectory: String?

    private var overrides: [ConfigurationOverride] {
        dataDirectory.map { [.init(name: "--data-directory", key: "data.directory", text: $0)] } ?? []
    }

    /// Loads the configuration, and says nothing.
    func read(
        for use: ReceiverConfiguration.Use, _ further: [ConfigurationOverride]
    ) throws(ConfigurationError) -> LoadedConfiguration {
        try ReceiverConfiguration.load(
            path: config, environment: Environment.variables, use: use, options: overrides + further)
    }

    /// Loads the configuration.
    ///
    /// - Parameter further: values of options that not every subcommand has.
    /// - Throws: an exit code, after every problem has been printed, one a line.
    func load(
        for use: ReceiverConfiguration.Use, _ further: [ConfigurationOverride] = []
    ) throws -> LoadedConfiguration {
        do {
            return try read(for: use, further)
        } catch {
            throw failure("\(error)", code: configurationExitCode)
        }
    }
}

/// The environment of the process. Split at bytes: what follows a `=` may be a character together with it.
enum Environment {
    static var variables: [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text)
            if let separator = pair.utf8.firstIndex(of: UInt8(ascii: "=")) {
                variables[String(pair[..<separator])] = String(pair[pair.utf8.index(after: separator)...])
            }
            entry += 1
        }
        return variables
    }
}
