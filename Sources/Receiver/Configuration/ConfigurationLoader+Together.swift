internal import HTTPClient
internal import WebhookSecurity

extension ConfigurationLoader {
    /// Shorter secrets can be guessed.
    private static var secretBytesMin: Int { 16 }

    /// What no key can tell alone.
    mutating func checkTogether(_ use: ReceiverConfiguration.Use) {
        let webhook = configuration.webhook
        checkHeaders(webhook.authorizationHeaders, use)
        checkTokens(use)
        checkDriveAPI()
        checkOrigins()
        if webhook.secretNext != nil, webhook.secretCurrent == nil, !isGivenWrongly(in: "webhook") {
            add(.init("webhook.secretNext", origins["webhook.secretNext"], "needs webhook.secretCurrent"))
        }
        warnAboutEqualSecrets(webhook.secretCurrent, webhook.secretNext)
        checkHost(configuration.http)
        checkCanary()
        for (name, secret) in [
            ("webhook.secretCurrent", webhook.secretCurrent), ("webhook.secretNext", webhook.secretNext),
            ("api.sealKey", configuration.api.sealKey),
        ] {
            if let secret { checkLength(name, secret, name, use) }
        }
        guard use == .server else { return }
        if !webhook.verifies, !webhook.allowUnverified, !isGivenWrongly(in: "webhook") {
            add(
                .init(
                    "webhook", nil,
                    """
                    no way to verify callbacks is configured: set webhook.secretCurrent \
                    (CHARGEFOLD_WEBHOOK_SECRET_CURRENT) or webhook.authorizationHeaders \
                    (CHARGEFOLD_WEBHOOK_AUTHORIZATION_HEADERS); to accept callbacks from anybody set \
                    webhook.allowUnverified to true
                    """))
        }
        warnAboutAccess()
    }

    /// Whether something of a section was given and could not be taken. Then nothing is said of what seems to be missing there:
    /// nobody is to be sent after what they did give, only wrongly.
    private func isGivenWrongly(in section: String) -> Bool {
        let variables = Self.variableName(of: section) + "_"
        return problems.contains { $0.key?.hasPrefix(section + ".") == true || $0.key?.hasPrefix(variables) == true }
    }

    private mutating func warnAboutEqualSecrets(_ current: SecretKey?, _ next: SecretKey?) {
        guard let current, let next else { return }
        guard current.withUnsafeBytes({ Array($0) }) == next.withUnsafeBytes({ Array($0) }) else { return }
        let key = "webhook.secretNext"
        warn(.init(key, origins[key], "is the same text as webhook.secretCurrent: no rotation is under way"))
    }

    private mutating func checkCanary() {
        guard let url = configuration.canary.url else { return }
        let key = "canary.url"
        do throws(HTTPClientError) {
            if case .unix = try Endpoint(url: url).transport {
                add(.init(key, origins[key], "must be the public address, http:// or https://"))
            }
        } catch {
            add(.init(key, origins[key], "\(error.detail)"))
        }
    }

    /// What no address and no name can be. Whether a name has an address is for ``ReceiverConfiguration/obstacles()``.
    private mutating func checkHost(_ http: ReceiverConfiguration.HTTP) {
        let key = "http.host"
        if !http.listensOnTCP, http.unixSocket == nil, !isGivenWrongly(in: "http") {
            add(.init(key, origins[key], "is none, so http.unixSocket must be set"))
        }
        // Names (RFC 1123, and the underscores of the wild), IPv4, IPv6 with a zone (RFC 4007).
        let isPlain = http.host.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: ":"), UInt8(ascii: "%"):
                true
            default: false
            }
        }
        if !isPlain {
            let message =
                """
                "\(http.host.prefix(80))" is not allowed; allowed: an address (0.0.0.0: all of IPv4; ::, without \
                brackets: all of IPv6 and IPv4), a name of this machine, or none; the port is http.port
                """
            add(.init(key, origins[key], message))
        }
    }

    private mutating func checkOrigins() {
        let key = "http.corsOrigins"
        for fault in CrossOrigin.faults(in: configuration.http.corsOrigins ?? "") {
            let allowed = "allowed: https:// or http://, a host in lower case, and a port where it is not the usual one"
            add(.init(key, origins[key], "\"\(fault.prefix(80))\" is no origin; \(allowed)"))
        }
    }

    private mutating func warnAboutAccess() {
        let (webhook, api) = (configuration.webhook, configuration.api)
        if webhook.allowUnverified {
            let effect = webhook.verifies ? "has no effect: callbacks are verified" : "anybody can invent events"
            warn(.init("webhook.allowUnverified", origins["webhook.allowUnverified"], effect))
        }
        if webhook.signedAtFreshnessSeconds > 0, webhook.secretCurrent == nil {
            let name = "webhook.signedAtFreshnessSeconds"
            warn(.init(name, origins[name], "has no effect without webhook.secretCurrent"))
        }
        // Where the other way of verification is left, nothing else would tell that this one is off.
        for (name, isSet) in [
            ("webhook.secretCurrent", webhook.secretCurrent != nil),
            ("webhook.authorizationHeaders", !webhook.authorizationHeaders.isEmpty),
        ] where !isSet && webhook.verifies {
            guard let origin = emptyVariable(of: name) else { continue }
            warn(.init(name, origin, "is empty, which counts as not set: callbacks are not verified by it"))
        }
        if api.allowAnonymousReads {
            let effect = "anybody can read sessions" + (api.allTokens.isEmpty ? "" : ", although tokens are configured")
            warn(.init("api.allowAnonymousReads", origins["api.allowAnonymousReads"], effect))
        } else if api.allTokens.isEmpty {
            warn(.init("api.token", nil, "no token is configured: the query API is closed (CHARGEFOLD_API_TOKEN)"))
        }
    }

    private mutating func checkHeaders(_ headers: [NamedSecret], _ use: ReceiverConfiguration.Use) {
        let key = "webhook.authorizationHeaders"
        for header in headers {
            if !AuthorizationHeaders.canCarryCredentials(name: header.name) {
                add(.init(key, origins[key], "\(header.name.prefix(80)) can't be an agreed header"))
            }
            let isPrintable = header.value.withUnsafeBytes { $0.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 } }
            if !isPrintable { add(.init(key, origins[key], "the value of \(header.name) has control characters")) }
            checkLength(key, header.value, "the value of \(header.name)", use)
        }
    }

    private mutating func checkTokens(_ use: ReceiverConfiguration.Use) {
        var names = Set<String>()
        var holders: [[UInt8]: String] = [:]
        for (index, token) in configuration.api.allTokens.enumerated() {
            let key = tokenKey(at: index)
            if !TokenSet.isPresentable(token.value) {
                let which = "the token \(token.name) has characters that a bearer token can't have"
                add(.init(key, origins[key], which + "; allowed: letters, digits, -._~+/ and = at the end"))
            }
            if !names.insert(token.name).inserted {
                add(.init(key, origins[key], "the name \(token.name) is taken by api.token or api.adminToken"))
            }
            // Which of the two would count, for what it opens and in the log, is not for chance to say.
            if let other = holders.updateValue(token.name, forKey: token.value.withUnsafeBytes { Array($0) }) {
                add(.init(key, origins[key], "the tokens \(other) and \(token.name) are the same text"))
            }
            checkLength(key, token.value, "the token \(token.name)", use)
        }
    }

    /// Which key the token at this place of `allTokens` comes from.
    private func tokenKey(at index: Int) -> String {
        let singles =
            (configuration.api.token == nil ? [] : ["api.token"])
            + (configuration.api.adminToken == nil ? [] : ["api.adminToken"])
        return index < singles.count ? singles[index] : "api.tokens"
    }

    private mutating func checkLength(
        _ key: String, _ secret: SecretKey, _ what: String, _ use: ReceiverConfiguration.Use
    ) {
        guard use == .server, secret.count < Self.secretBytesMin else { return }
        let isWebhook = key.hasPrefix("webhook.")
        let permission = isWebhook ? "webhook.allowShortSecrets" : "api.allowShortTokens"
        let isAllowed = isWebhook ? configuration.webhook.allowShortSecrets : configuration.api.allowShortTokens
        if problems.contains(where: { $0.key == permission }) { return }
        let message =
            (what == key ? "" : what + " ")
            + "has \(secret.count) bytes; from \(Self.secretBytesMin) on it can't be guessed"
        if isAllowed {
            warn(.init(key, origins[key], message))
        } else {
            let variable = Self.variableName(of: permission)
            add(.init(key, origins[key], message + "; to accept it set \(permission) to true (\(variable))"))
        }
    }
}
