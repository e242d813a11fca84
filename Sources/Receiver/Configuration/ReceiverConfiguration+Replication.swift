internal import Base
internal import Glibc
package import Replication
package import WebhookSecurity

extension ReceiverConfiguration {
    /// Several receivers with one set of deliveries. Without a database there is nothing of it.
    package struct Replication: Sendable {
        /// The database's connection string; nil: off. A secret, because it may have a password in it.
        package var url: SecretKey?
        /// This receiver's name among the receivers; nil: the machine's.
        package var name: String?
        package var acknowledge = SharedLogSettings.Acknowledge.replicated
        package var localAfterMilliseconds = 500
        package var reads = SharedLogSettings.Reads.strict
        package var schema = "chargefold"
    }

    /// What the shared log is told; nil without a database.
    /// - Throws: `PostgresError` where the connection string is none.
    package func sharedLogSettings(sealKey: SecretKey?) throws(PostgresError) -> SharedLogSettings? {
        guard let url = replication.url else { return nil }
        let text = url.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        var settings = SharedLogSettings(postgres: try PostgresSettings(url: text), name: receiverName)
        settings.schema = replication.schema
        settings.acknowledge = replication.acknowledge
        settings.localAfterMilliseconds = replication.localAfterMilliseconds
        settings.reads = replication.reads
        settings.version = Version.current
        if let sealKey { settings.fingerprints = fingerprints(sealKey: sealKey) }
        return settings
    }

    private var receiverName: String {
        if let name = replication.name { return name }
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "receiver" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Digests of the secrets that all receivers must have in common. Keyed with the seal key, so that nobody who reads the
    /// database can try secrets against them; where that key differs everything does.
    /// A token's is of what it opens as well.
    func fingerprints(sealKey: SecretKey) -> [String: String] {
        let seal = Seal(key: sealKey)
        var found: [String: String] = ["api.sealKey": seal.close([], context: Array("api.sealKey".utf8))]
        for (name, secret) in [
            ("webhook.secretCurrent", webhook.secretCurrent), ("webhook.secretNext", webhook.secretNext),
        ] {
            if let secret { found[name] = secret.withUnsafeBytes { seal.close([], context: Array($0)) } }
        }
        for token in api.allTokens {
            let scopes = token.scopes.map(\.text).sorted().joined(separator: " ")
            found["api.tokens \(token.name)"] = token.value.withUnsafeBytes {
                seal.close([], context: Array($0) + Array(" \(scopes)".utf8))
            }
        }
        return found
    }
}
