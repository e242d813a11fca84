package import DriveAPI
package import HTTPServer
package import Logging
package import SessionModel
package import SessionStore
package import WebhookSecurity

/// Everything that can be configured, with the defaults. The keys, their ranges and their documentation are in
/// `ConfigurationKey.all`; `load(path:environment:use:)` fills a value from file and environment.
package struct ReceiverConfiguration: Sendable {
    package var http = HTTP()
    package var data = DataDirectory()
    package var webhook = Webhook()
    package var api = API()
    package var driveApi = DriveAPISettings()
    package var gateway = GatewaySettings()
    package var reconciliation = ReconciliationSettings()
    package var guidance = GuidanceSettings()
    package var retention = Retention()
    package var canary = CanaryProbes()
    package var replication = Replication()
    package var log = Log()
    package var store = StoreOptions()
    package var shutdown = Shutdown()

    package init() {}

    /// Where and how the server listens.
    package struct HTTP: Sendable {
        /// An address or a name; ``noHost``: no TCP.
        package var host = "127.0.0.1"
        package var port = 8080
        package var unixSocket: String?
        /// Permission bits of the Unix socket.
        package var unixSocketMode: UInt32 = 0o660
        /// 0: one for each processor.
        package var workers = 0
        package var limits = Limits()
        /// Origins of pages that may read answers, with commas between; nil: none.
        package var corsOrigins: String?
        /// Descriptors of sockets that were passed to this process, in place of `host`, `port` and `unixSocket`. No key.
        package var passedSockets: [Int32] = []

        /// The value of `host` that turns TCP off.
        package static let noHost = "none"
        package var listensOnTCP: Bool { host != Self.noHost }
    }

    package struct DataDirectory: Sendable {
        package var directory = "./data"
    }

    /// How callbacks are verified, and what becomes of those that fail.
    package struct Webhook: Sendable {
        package var secretCurrent: SecretKey?
        package var secretNext: SecretKey?
        package var authorizationHeaders: [NamedSecret] = []
        package var allowUnverified = false
        /// Whether secrets and agreed values may be shorter than they should be.
        package var allowShortSecrets = false
        /// 0: off.
        package var signedAtFreshnessSeconds = 0
        package var bodyBytesMax = 65_536

        /// Whether any mode of verification is configured.
        package var verifies: Bool { secretCurrent != nil || !authorizationHeaders.isEmpty }

        /// The check of every callback, by all configured modes.
        package var authenticator: CallbackAuthenticator {
            CallbackAuthenticator(
                signature: secretCurrent.map { SignatureVerifier(current: $0, next: secretNext) },
                headers: AuthorizationHeaders(authorizationHeaders.map { ($0.name, $0.value) }),
                freshness: signedAtFreshnessSeconds > 0 ? .init(seconds: Int64(signedAtFreshnessSeconds)) : nil
            )
        }

        /// Makes what passes that check, with the CURRENT secret.
        package var signer: CallbackSigner {
            CallbackSigner(secret: secretCurrent, headers: authorizationHeaders.map { ($0.name, $0.value) })
        }
    }

    /// Who may ask.
    package struct API: Sendable {
        /// The single token; its holder is called ``defaultTokenName``.
        package var token: SecretKey?
        package var tokens: [NamedSecret] = []
        package var allowAnonymousReads = false
        package var userStreamsMax = 32
        /// Whether tokens and the seal key may be shorter than they should be.
        package var allowShortTokens = false
        /// The operators' token; its holder is called ``adminTokenName``.
        package var adminToken: SecretKey?
        /// The key of minted tokens and of cursors; nil: one of the data directory's own.
        package var sealKey: SecretKey?

        package static let defaultTokenName = "default"
        package static let adminTokenName = "admin"

        /// All tokens, the single ones first.
        package var allTokens: [NamedSecret] {
            (token.map { [NamedSecret(name: Self.defaultTokenName, value: $0, scopes: [.act])] } ?? [])
                + (adminToken.map { [NamedSecret(name: Self.adminTokenName, value: $0, scopes: [.admin])] } ?? [])
                + tokens
        }

        package var tokenSet: TokenSet {
            TokenSet(allTokens.map { (.init(name: $0.name, scopes: $0.scopes.map(\.text)), $0.value) })
        }
    }

    package struct Retention: Sendable {
        /// Sessions that ended longer ago are removed; 0: kept for ever.
        package var days = 0
        /// Whether the wall clock alone decides what is old.
        package var trustClock = false
    }

    package struct CanaryProbes: Sendable {
        /// nil: none are sent.
        package var url: String?
    }

    package struct Log: Sendable {
        package enum Format: String, Sendable, CaseIterable {
            case text, json
        }

        package var level: Logger.Level = .info
        package var format: Format = .text
    }

    package struct Shutdown: Sendable {
        package var deadlineSeconds = 10
        /// From `/readyz` 503 until no connection is accepted any more.
        package var drainDelaySeconds = 0
    }
}

/// A secret with a name that is not: an agreed header, an API token.
package struct NamedSecret: Sendable {
    package let name: String
    package let value: SecretKey
    /// What a token opens.
    package let scopes: [Scope]

    package init(name: String, value: SecretKey, scopes: [Scope] = [.read]) {
        self.name = name
        self.value = value
        self.scopes = scopes
    }
}
