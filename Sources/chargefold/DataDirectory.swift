internal import Base
import Glibc
import HTTPClient
import Logging
import Receiver
import SessionIndex
import SessionModel
import SessionStore

/// The way to a data directory: through the running server's control socket, or straight to the files when no server
/// runs.
enum DataDirectory {
    case server(ControlSocket)
    case files(DiskSessionStore)

    /// - Parameter readOnly: whether the files are opened for reading only.
    /// - Throws: an exit code, after the reason was printed.
    static func open(_ configuration: ReceiverConfiguration, readOnly: Bool) throws -> DataDirectory {
        let directory = configuration.data.directory
        var options = configuration.storeOptions
        options.makesDirectory = false
        do throws(StoreError) {
            return .files(
                try DiskSessionStore(
                    directory: directory, options: options, readOnly: readOnly,
                    logger: Logger(label: "chargefold") { _ in SwiftLogNoOpLogHandler() }))
        } catch {
            guard error.code == .locked else { throw failure("\(error)") }
            return .server(ControlSocket(configuration))
        }
    }

    /// For work that needs the files to itself.
    static func openFiles(_ configuration: ReceiverConfiguration, readOnly: Bool) throws -> DiskSessionStore {
        switch try open(configuration, readOnly: readOnly) {
        case .files(let store): return store
        case .server:
            throw failure("a server is running on \(configuration.data.directory): stop it first")
        }
    }
}

/// Requests to the running server's control socket.
final class ControlSocket {
    private let configuration: ReceiverConfiguration
    private let connection: HTTPConnection

    init(_ configuration: ReceiverConfiguration) {
        self.configuration = configuration
        var options = ClientOptions()
        // A backup takes as long as it takes.
        options.responseSeconds = 86_400
        options.bodyBytesMax = 512 << 20
        connection = HTTPConnection(Self.endpoint(configuration), options: options)
    }

    static func endpoint(_ configuration: ReceiverConfiguration) -> Endpoint {
        Endpoint(transport: .unix(path: Application.controlSocketPath(configuration)))
    }

    /// Sends a request and expects a 2xx answer.
    ///
    /// - Throws: an exit code, after the reason was printed.
    func send(_ method: String, _ target: String, body: [UInt8] = []) throws -> [UInt8] {
        try send(method, target, body: body, absentStatus: nil) ?? []
    }

    /// The same for something that may not be there, of which the server says no more than that: nil then.
    func find(_ method: String, _ target: String) throws -> [UInt8]? {
        try send(method, target, body: [], absentStatus: 404)
    }

    private func send(_ method: String, _ target: String, body: [UInt8], absentStatus: Int?) throws -> [UInt8]? {
        do {
            let response = try connection.send(ClientRequest(method: method, target: target, body: body))
            if response.status == absentStatus { return nil }
            guard (200..<300).contains(response.status) else {
                // What arguments may be is known by the server alone: what it can't take is wrong usage.
                throw failure(
                    "the server answers \(response.status): \(Self.reason(response.body))",
                    code: response.status == 400 ? usageExitCode : EXIT_FAILURE)
            }
            return response.body
        } catch let error as HTTPClientError {
            throw failure(unreachable(error))
        }
    }

    /// Why nobody can be asked through the control socket of a data directory; nil where it is there and this user may use it.
    static func obstacle(_ configuration: ReceiverConfiguration) -> String? {
        let directory = configuration.data.directory
        let path = Application.controlSocketPath(configuration)
        switch FileSystem.lookup(path) {
        case 0: return access(path, R_OK | W_OK) == 0 ? nil : DataDirectoryFiles.unreadable(path, errno)
        case ENOENT, ENOTDIR:
            let name = Application.controlSocketName
            return "the server can't be reached: none runs on \(directory), which has no \(name)"
        case let code: return DataDirectoryFiles.unreadable(directory, code)
        }
    }

    /// Why nobody answers: what the file tells, before what the connection does.
    private func unreachable(_ error: HTTPClientError) -> String {
        if let obstacle = Self.obstacle(configuration) { return obstacle }
        guard error.code == .connectionFailed else { return "the server does not answer: \(error)" }
        // A sudden end leaves the file behind.
        return "the server can't be reached: none runs on \(configuration.data.directory)"
    }

    /// What a problem says to people (RFC 9457, section 3.1); anything else as it came.
    private static func reason(_ body: [UInt8]) -> String {
        guard let problem = try? CanonicalJSON(parsing: body), let title = problem.string("title") else {
            return String(decoding: body, as: UTF8.self)
        }
        return problem.string("detail").map { "\(title) \($0)" } ?? title
    }
}
