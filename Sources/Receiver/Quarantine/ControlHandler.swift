package import HTTPServer

/// What the control socket in the data directory serves: the same, and operators' routes without a token. The socket's file
/// mode (0600) lets only the server's own user in.
package struct ControlHandler: RequestHandler {
    private let receiver: Receiver
    private let access: AccessControl

    package init(_ receiver: Receiver) {
        self.receiver = receiver
        var access = receiver.access
        access.isOperatorsOnly = true
        self.access = access
    }

    package func admit(_ head: borrowing RequestHead) -> Admission {
        receiver.admit(head)
    }

    package func handle(_ request: consuming Request, _ exchange: Exchange) {
        receiver.handle(request, exchange, access)
    }

    package func protocolError(_ error: HTTPError) -> Response {
        receiver.protocolError(error)
    }
}
