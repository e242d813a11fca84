import Receiver
import WebhookSecurity

extension AccessControl {
    /// The token of the tests, with the scope of operators.
    static func operators() throws -> AccessControl {
        AccessControl(
            tokens: TokenSet([
                (.init(name: "operator", scopes: [adminScope]), try Callback.key(RunningServer.token)),
                (.init(name: "reader", scopes: ["read"]), try Callback.key("reader-token")),
            ]),
            allowsAnonymousReads: false)
    }
}
