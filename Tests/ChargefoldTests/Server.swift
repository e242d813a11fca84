import Glibc
import HTTPClient
import SessionModel
import Testing

/// `chargefold serve` in a process of its own, on a Unix socket in the workspace.
final class Server {
    static let secret = "the-webhook-secret"
    static let token = "the-api-token-of-the-tests"

    let url: String
    /// What it has logged up to the line that says where it listens.
    let startLog: String
    let connection: HTTPConnection
    private let process: ChildProcess
    private let errors: Int32

    /// Starts it and returns when it listens.
    init(_ command: Command, environment extra: [String: String] = [:]) throws {
        let workspace = command.directory
        let fifo = workspace.file("serve-\(workspace.nextNumber()).fifo")
        try #require(mkfifo(fifo, 0o600) == 0)
        // For reading and writing: opening does not wait for the other end.
        errors = open(fifo, O_RDWR | O_CLOEXEC)
        process = try ChildProcess(
            Command.path, ["serve"], environment: command.environment.merging(extra) { $1 }, directory: workspace.path,
            input: "/dev/null", output: "/dev/null", errors: fifo)
        url = "unix:" + workspace.file("http.sock")
        connection = HTTPConnection(try Endpoint(url: url))
        var patience = pollfd(fd: errors, events: Int16(POLLIN), revents: 0)
        var log: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while log.firstRange(of: Array(" listening ".utf8)) == nil || log.last != UInt8(ascii: "\n") {
            // Long, and only so that a server that never listens fails the test in place of hanging it.
            try #require(
                poll(&patience, 1, 60_000) > 0, "the server does not listen: \(String(decoding: log, as: UTF8.self))")
            let count = read(errors, &buffer, buffer.count)
            try #require(count > 0)
            log += buffer[..<count]
            try #require(
                log.firstRange(of: Array("can't start".utf8)) == nil, "\(String(decoding: log, as: UTF8.self))")
        }
        startLog = String(decoding: log, as: UTF8.self)
    }

    deinit { close(errors) }

    func kill() -> Int32 { end(SIGKILL) }

    /// Ends it with a signal and waits for its end.
    func end(_ signal: Int32) -> Int32 {
        connection.close()
        Glibc.kill(process.pid, signal)
        return process.wait()
    }

    func get(_ target: String) throws -> ClientResponse {
        try connection.send(
            ClientRequest(target: target, fields: [("Authorization", "Bearer \(Self.token)")]))
    }

    /// The state of each session, without what depends on its deliveries, and without the duration of one that runs.
    func states(_ ids: some Collection<String>) throws -> [String: String] {
        var states: [String: String] = [:]
        for id in ids {
            let answer = try get("/v1/sessions/\(id)")
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(answer.status == 200 || answer.status == 404)
            let state =
                text.firstRange(of: #","lastFact":"#).map { String(text[..<$0.lowerBound]) } ?? "\(answer.status)"
            let isRunning = state.contains(/"sessionStatus":"(STARTED|WAITING_TO_STOP|STOP_FAILED)"/)
            states[id] = isRunning ? state.replacing(/"duration":"[^"]*",/, with: "") : state
        }
        return states
    }
}

/// A workspace with the configuration of most tests, in the environment.
func withCommand(_ body: (Command) throws -> Void) throws {
    let workspace = Workspace()
    let environment = [
        "PATH": "/usr/bin:/bin", "CHARGEFOLD_HTTP_HOST": "none", "CHARGEFOLD_HTTP_WORKERS": "1",
        "CHARGEFOLD_HTTP_UNIX_SOCKET": workspace.file("http.sock"), "CHARGEFOLD_DATA_DIRECTORY": workspace.file("data"),
        "CHARGEFOLD_WEBHOOK_SECRET_CURRENT": Server.secret, "CHARGEFOLD_API_TOKEN": Server.token,
    ]
    try body(Command(directory: workspace, environment: environment))
}

/// The lines of an event log.
func lines(_ log: [UInt8]) -> [[UInt8]] { log.split(separator: UInt8(ascii: "\n")).map { Array($0) } }

/// The sessions that an event log is about.
func sessionIds(_ log: [UInt8]) throws -> Set<String> {
    Set(try lines(log).map { try SessionEvent.decode($0).sessionId })
}
