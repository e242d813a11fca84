package import HTTPServer

/// What the control socket in the data directory serves: the operators' resources, without a token. The socket's file
/// mode (0600) lets only the server's own user in.
package struct ControlHandler: RequestHandler {
    private let receiver: Receiver

    package init(_ receiver: Receiver) {
        self.receiver = receiver
    }

    package func admit(_ head: borrowing RequestHead) -> Admission {
        receiver.admit(head)
    }

    package func handle(_ request: borrowing Request, _ exchange: Exchange) {
        guard case .resource(let resource) = Resource.match(request.head.path), resource.isForOperators,
            resource.allows(request.head.method)
        else { return receiver.handle(request, exchange) }
        receiver.operate(resource, request, exchange)
    }

    package func protocolError(_ error: HTTPError) -> Response {
        receiver.protocolError(error)
    }
}
