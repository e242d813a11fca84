package import HTTPServer
import SessionModel

/// What the control socket in the data directory serves: the same, operators' routes and reading without a token, and what
/// only the owner of the directory may. The socket's file mode (0600) lets only the server's own user in.
package struct ControlHandler: RequestHandler {
    private let receiver: Receiver
    private let backups: BackupService?

    init(_ receiver: Receiver, backups: BackupService?) {
        self.receiver = receiver
        self.backups = backups
    }

    package func admit(_ head: borrowing RequestHead) -> Admission {
        isBackup(head) ? .accept(bodyBytesMax: 65_536) : receiver.admit(head)
    }

    package func handle(_ request: consuming Request, _ exchange: Exchange) {
        if isBackup(request.head), let backups {
            return backups.make(request.body, exchange)
        }
        var access = receiver.access
        access.isOperatorsOnly = true
        receiver.handle(request, exchange, access)
    }

    package func protocolError(_ error: HTTPError) -> Response {
        receiver.protocolError(error)
    }

    private func isBackup(_ head: borrowing RequestHead) -> Bool {
        backups != nil && head.isMethod("POST") && head.isPath("/v1/backup")
    }
}
