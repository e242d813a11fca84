package import WebhookSecurity

/// Where the API is, and how it is called.
package struct DriveAPISettings: Sendable {
    /// Everything before `/v1/…`.
    package var baseURL = DriveAPISettings.productionURL
    /// Without one no client can be made.
    package var apiKey: SecretKey?
    /// From the start of a connection to its end, TLS included.
    package var connectSeconds = 5.0
    /// From sending one attempt to the end of its answer.
    package var answerSeconds = 15.0
    /// From the call to its outcome, waits and all attempts included.
    package var totalSeconds = 30.0
    /// Calls under way at the same time, each on a connection of its own.
    package var concurrency = 8
    /// Of those, calls of one kind of one user.
    package var concurrencyOfUser = 2
    /// Calls that wait for their turn; beyond it they fail with `overloaded`.
    package var queueMax = 1000
    /// Calls a second, for those of background priority.
    package var callsPerSecond = 10.0
    package var retry = RetryPolicy()
    package var breaker = CircuitBreaker.Settings()
    package var receiptPath = PathTemplate.receipt
    package var retryPaymentPath = PathTemplate.retryPayment
    /// Bytes of an answer; a page of the history is the longest.
    package var answerBytesMax = 8 << 20

    package static let productionURL = "https://drive-api.plugsurfing.com/drive"

    package init(apiKey: SecretKey? = nil) {
        self.apiKey = apiKey
    }

    /// How many of those may come at once after a pause.
    var burst: Int { max(1, Int(callsPerSecond)) }
}
