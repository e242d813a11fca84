import Base
package import Logging
import WebhookSecurity

/// Reads the configuration again while the server runs: secrets and tokens, and how much is logged. All or nothing: where
/// anything is wrong with it, everything stays as it was.
package actor ConfigurationReloader {
    /// What a changed configuration is applied to.
    package struct Target: Sendable {
        let replaceCredentials: @Sendable (ReceiverConfiguration, _ ended: Set<String>) -> Void
        let setLogLevel: @Sendable (Logger.Level) -> Void
        let noteReload: @Sendable (_ isSuccessful: Bool) -> Void

        package init(
            replaceCredentials: @escaping @Sendable (ReceiverConfiguration, _ ended: Set<String>) -> Void,
            setLogLevel: @escaping @Sendable (Logger.Level) -> Void,
            noteReload: @escaping @Sendable (_ isSuccessful: Bool) -> Void
        ) {
            self.replaceCredentials = replaceCredentials
            self.setLogLevel = setLogLevel
            self.noteReload = noteReload
        }
    }

    package typealias Read = @Sendable () throws(ConfigurationError) -> LoadedConfiguration

    /// Seconds between two looks at the files that secrets come from.
    package static let watchSeconds = 5

    private var loaded: LoadedConfiguration
    private var files: [String: FileSystem.FileState]
    private let target: Target
    private let logger: Logger
    private let read: Read

    /// - Parameters:
    ///   - loaded: what the server runs with.
    ///   - read: reads it again, from the same places.
    package init(_ loaded: LoadedConfiguration, _ target: Target, logger: Logger, read: @escaping Read) {
        self.loaded = loaded
        self.target = target
        self.logger = logger
        self.read = read
        files = Self.states(of: loaded)
    }

    /// Looks at the files again and again, until the task is cancelled.
    package func watch() async {
        while (try? await Task.sleep(for: .seconds(Self.watchSeconds))) != nil { look() }
    }

    /// Reads again where a file that a secret comes from has changed since it was last read.
    package func look() {
        if Self.states(of: loaded) != files { reload(because: "a secret's file has changed") }
    }

    package func reload(because reason: String) {
        // Before they are read: what changes meanwhile is seen at the next look. A file that is not right yet is told once.
        files = Self.states(of: loaded)
        let new: LoadedConfiguration
        do throws(ConfigurationError) {
            new = try read()
        } catch {
            logger.error(
                "the configuration is wrong, and everything stays as it was",
                metadata: ["because": "\(reason)", "problem": "\(error)"])
            target.noteReload(false)
            return
        }
        apply(new, reason)
    }

    private func apply(_ new: LoadedConfiguration, _ reason: String) {
        let (old, next) = (loaded.configuration, new.configuration)
        let changed = ConfigurationKey.all.filter { !$0.isSame(old, next) }
        let needRestart = changed.filter { $0.reload == nil }.map(\.name)
        let applied = changed.filter { $0.reload != nil }
        // What needs a restart stays as it is, and is said again each time.
        var running = loaded
        for key in applied { key.reload?(next, &running.configuration) }
        if applied.contains(where: { $0.name != "log.level" }) {
            target.replaceCredentials(running.configuration, Self.ended(old.api, next.api))
        }
        target.setLogLevel(next.log.level)
        target.noteReload(true)
        loaded = running.reading(new.secretFiles)
        files = files.merging(Self.states(of: loaded)) { before, _ in before }.filter {
            loaded.secretFiles.contains($0.key)
        }
        for warning in new.warnings { logger.warning("configuration", metadata: ["warning": "\(warning)"]) }
        logger.notice(
            "the configuration was read again",
            metadata: [
                "because": "\(reason)", "changed": "\(applied.map(\.name).joined(separator: " "))",
                "needRestart": "\(needRestart.joined(separator: " "))",
            ])
    }

    /// The names of tokens whose bearers were let in before and are not now, or not to the same.
    private static func ended(_ old: ReceiverConfiguration.API, _ new: ReceiverConfiguration.API) -> Set<String> {
        func isSame(_ one: NamedSecret, _ other: NamedSecret) -> Bool {
            one.name == other.name && one.scopes.map(\.text) == other.scopes.map(\.text)
                && one.value.withUnsafeBytes { bytes in other.value.withUnsafeBytes { bytes.elementsEqual($0) } }
        }
        return Set(old.allTokens.filter { token in !new.allTokens.contains { isSame($0, token) } }.map(\.name))
    }

    private static func states(of loaded: LoadedConfiguration) -> [String: FileSystem.FileState] {
        Dictionary(loaded.secretFiles.map { ($0, FileSystem.state($0)) }) { $1 }
    }
}
