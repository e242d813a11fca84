import Base
package import WebhookSecurity

/// Who is let in: whose callbacks are taken, and whose questions answered.
package final class Credentials: Sendable {
    package let authenticator: CallbackAuthenticator
    package let access: AccessControl

    package init(authenticator: CallbackAuthenticator, access: AccessControl) {
        self.authenticator = authenticator
        self.access = access
    }
}

/// The credentials of a running server: replaced as a whole when the configuration is read again.
package final class CurrentCredentials: Sendable {
    private let value: Locked<Credentials>

    package init(_ credentials: Credentials) {
        value = Locked(credentials)
    }

    var now: Credentials { value.withLock { $0 } }

    func replace(_ new: Credentials) {
        value.withLock { $0 = new }
    }
}
