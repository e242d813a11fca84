package import HTTPClient
package import WebhookSecurity

/// How a sandbox is run.
package struct SandboxOptions: Sendable {
    package var host = "127.0.0.1"
    /// 0: a free one.
    package var port: UInt16 = 8090
    /// Before `/v1/…`, as upstream.
    package var basePath = "/drive"
    /// Nil: any key is good, but there must be one.
    package var apiKey: SecretKey?
    /// Where Session Events go; nil: nowhere.
    package var callback: Endpoint?
    /// Where charge detail records go; nil: nowhere.
    package var detailRecordCallback: Endpoint?
    /// The CURRENT secret; nil: callbacks are not signed.
    package var secret: SecretKey?
    /// The NEXT secret, for callbacks that chaos signs with it.
    package var nextSecret: SecretKey?
    /// Agreed headers, sent with every callback.
    package var headers: [(name: String, value: String)] = []
    /// Connections that callbacks go out by; with one, they arrive in the order in which they are sent.
    package var callbackConnections = 4
    package var callbackSeconds = 5.0
    /// Told when callbacks begin to be refused, those that are signed wrongly on purpose aside; the status is nil without an
    /// answer. Again only after one was taken.
    package var onRefusal: (@Sendable (_ status: Int?) -> Void)?
    package var speed = 1.0
    package var stamps = SandboxClock.Stamps.wall
    package var world = WorldOptions()

    package init() {}
}
