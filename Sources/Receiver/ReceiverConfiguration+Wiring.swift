import Compression
import EventLog
import HTTPServer
import Ledger
package import Logging
import SessionIndex
package import SessionStore
import WebhookSecurity

extension ReceiverConfiguration {
    /// - Parameter sealKey: the key of minted tokens.
    func accessControl(sealKey: SecretKey) -> AccessControl {
        AccessControl(
            tokens: api.tokenSet, userTokens: UserTokens(key: sealKey), allowsAnonymousReads: api.allowAnonymousReads)
    }

    /// What the HTTP server is told.
    var serverConfiguration: ServerConfiguration {
        var addresses: [ListenAddress] = []
        if !http.passedSockets.isEmpty {
            addresses = http.passedSockets.map { .passed(descriptor: $0) }
        } else if http.listensOnTCP {
            addresses.append(.tcp(host: http.host, port: UInt16(http.port)))
        }
        if let path = http.unixSocket, http.passedSockets.isEmpty {
            addresses.append(.unix(path: path, mode: http.unixSocketMode))
        }
        return ServerConfiguration(addresses: addresses, workers: http.workers, limits: http.limits)
    }

    /// What the store is told.
    package var storeOptions: StoreOptions {
        var options = store
        // Some tenths of a second; a longer tail must not keep callbacks waiting.
        options.index.tailBeforeOpeningMax = 200_000
        options.index.aroundAnswers = ResponseBatch.collecting
        options.ledger.sharesQuarantine = replication.url != nil
        options.unpackQuarantined = webhook.unpackQuarantined
        return options
    }

    /// A logger as configured, writing through `writer`.
    package func makeLogger(_ writer: LogWriter) -> Logger {
        Logger(label: "chargefold") { _ in ReceiverLogHandler(format: log.format, level: log.level, writer: writer) }
    }
}

extension ReceiverConfiguration.Webhook {
    /// Undoes the content coding of a quarantined body; nil where there is none, or it is damaged or too large.
    var unpackQuarantined: @Sendable ([UInt8]) -> [UInt8]? {
        { [bodyBytesMax] body in
            looksLikeGzip(body) ? try? gunzip(body, decompressedBytesMax: max(bodyBytesMax, 1 << 20)) : nil
        }
    }
}
