package import WebhookSecurity

/// Who is let in: whose callbacks are taken, and whose questions answered.
package struct Credentials: Sendable {
    package let authenticator: CallbackAuthenticator
    package let access: AccessControl

    package init(authenticator: CallbackAuthenticator, access: AccessControl) {
        self.authenticator = authenticator
        self.access = access
    }
}
