internal import DriveAPI
internal import WebhookSecurity

extension ConfigurationKey {
    static let driveApi: [ConfigurationKey] = [
        .text(
            "driveApi.baseURL", \.driveApi.baseURL,
            """
            The Drive API, up to what comes before /v1. Stage: https://drive-api-stage.plugsurfing.com/drive; \
            `chargefold sandbox`: http://127.0.0.1:8090/drive.
            """),
        .secret(
            "driveApi.apiKey", \.driveApi.apiKey, example: "your-api-key",
            """
            The X-API-Key of the Drive API. Without it nothing is asked upstream: starting and stopping sessions, \
            receipts, payments and reconciliation are off.
            """),
        .integer(
            "driveApi.connectTimeoutSeconds", \.driveApi.connectSeconds, 1...60, unit: "seconds",
            "From the start of a connection to its end, TLS included."),
        .integer(
            "driveApi.answerTimeoutSeconds", \.driveApi.answerSeconds, 1...300, unit: "seconds",
            "How long one request may wait for the end of its answer."),
        .integer(
            "driveApi.totalTimeoutSeconds", \.driveApi.totalSeconds, 1...600, unit: "seconds",
            "The same for a call with all its attempts and the waits between them."),
        .integer(
            "driveApi.concurrency", \.driveApi.concurrency, 1...64, unit: "connections",
            "Calls under way at the same time. A quarter of them is left to stops."),
        .integer(
            "driveApi.concurrencyOfUser", \.driveApi.concurrencyOfUser, 1...64, unit: "connections",
            "Of those, how many one user's calls may have; stops are counted apart."),
        .integer(
            "driveApi.queueCountMax", \.driveApi.queueMax, 1...100_000, unit: "calls",
            "Calls that wait for a connection; further ones fail at once."),
        .integer(
            "driveApi.callsPerSecondMax", \.driveApi.callsPerSecond, 1...1000, unit: "calls",
            "Calls a second of reconciliation and back-fill. Those of drivers don't wait for it, but count."),
        .integer(
            "driveApi.attemptsMax", \.driveApi.retry.attemptsMax, 1...10, unit: "attempts",
            """
            Attempts at a call that fails. Starts, stops and payments are only sent again when nothing of them can have \
            arrived.
            """),
        .pathTemplate(
            "driveApi.receiptPath", \.driveApi.receiptPath,
            "Method and path of a receipt, with {userId} and {sessionId}. Not documented upstream."),
        .pathTemplate(
            "driveApi.retryPaymentPath", \.driveApi.retryPaymentPath,
            "Method and path of a payment retry, with {userId} and {sessionId}. Not documented upstream."),
    ]
}

extension ConfigurationLoader {
    /// What the kinds of the keys cannot tell.
    mutating func checkDriveAPI() {
        let driveApi = configuration.driveApi
        let url = "driveApi.baseURL"
        do {
            _ = try DriveAPIClient.basePath(of: driveApi.baseURL)
        } catch {
            add(.init(url, origins[url], error.detail))
        }
        let isLocal = ["http://127.", "http://localhost", "http://[::1]", "unix:"].contains {
            driveApi.baseURL.hasPrefix($0)
        }
        if driveApi.apiKey != nil, !isLocal, !driveApi.baseURL.lowercased().hasPrefix("https://") {
            warn(.init(url, origins[url], "is not https: the API key goes over the network for anybody to read"))
        }
        let key = "driveApi.apiKey"
        let isPrintable = driveApi.apiKey?.withUnsafeBytes { $0.allSatisfy { $0 > 0x20 && $0 < 0x7F } } ?? true
        if !isPrintable { add(.init(key, origins[key], "has characters that a header can't carry")) }
    }
}
