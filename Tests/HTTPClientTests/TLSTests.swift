import Foundation
import Glibc
import HTTPClient
import Testing

/// `openssl s_server` with a certificate of its own making, for names and addresses of this machine.
private final class TLSServer {
    static let program = "/usr/bin/openssl"
    let directory: URL
    let port: UInt16
    private let pid: pid_t
    private let output: Int32

    var certificate: String { directory.appending(path: "certificate.pem").path(percentEncoded: false) }

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "chargefold-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let make = try Self.start(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=test", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out",
                "certificate.pem",
            ], in: directory, output: "/dev/null")
        waitpid(make, nil, 0)

        let fifo = directory.appending(path: "output").path(percentEncoded: false)
        try #require(mkfifo(fifo, 0o600) == 0)
        // For reading and writing: opening does not wait for the other end.
        output = open(fifo, O_RDWR | O_CLOEXEC)
        pid = try Self.start(
            ["s_server", "-accept", "127.0.0.1:0", "-cert", "certificate.pem", "-key", "key.pem", "-www"],
            in: directory, output: fifo)
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 4_096)
        var patience = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        while !text.contains("ACCEPT") || !text.hasSuffix("\n") {
            // Long, and only so that a server that never listens fails the test in place of hanging it.
            guard poll(&patience, 1, 30_000) > 0 else { break }
            let count = read(output, &buffer, buffer.count)
            if count > 0 { text += String(decoding: buffer[..<count], as: UTF8.self) }
        }
        let digits = text.split(separator: ":").last?.prefix { $0.isNumber } ?? ""
        port = UInt16(digits) ?? 0
        try #require(port > 0, "\(text)")
    }

    deinit {
        // Not SIGTERM: a child of a test's thread may have it blocked.
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        close(output)
        try? FileManager.default.removeItem(at: directory)
    }

    /// Not Foundation's `Process`: it reads beyond the end of a directory's entry, and AddressSanitizer ends the run.
    private static func start(_ arguments: [String], in directory: URL, output: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        // Swift's Glibc has no `posix_spawn_file_actions_addchdir_np`; the shell gives way to the program.
        let shell = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, directory.path(percentEncoded: false), program]
        var argv: [UnsafeMutablePointer<CChar>?] = (shell + arguments).map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/bin/sh", &actions, nil, &argv, environ)
        try #require(code == 0, "\(String(cString: strerror(code)))")
        return pid
    }
}

@Suite(.timeLimit(.minutes(1)), .enabled(if: FileManager.default.isExecutableFile(atPath: TLSServer.program)))
struct TLSTests {
    @Test func `the certificate is checked against issuers, name and address`() throws {
        let server = try TLSServer()
        var trusting = ClientOptions()
        trusting.tls = try TLSContext(caFile: server.certificate)

        for host in ["localhost", "127.0.0.1"] {
            let connection = HTTPConnection(try Endpoint(url: "https://\(host):\(server.port)"), options: trusting)
            // s_server ends without a length: the end of the stream must have been made by TLS.
            let response = try connection.send(ClientRequest(target: "/"))
            #expect(response.status == 200)
            #expect(String(decoding: response.body, as: UTF8.self).contains("TLSv1.3"))
        }
        #expect(failure("https://localhost:\(server.port)", ClientOptions()) == .certificateRejected)
        // The same server under a name that its certificate does not have.
        #expect(failure("https://127.0.0.2:\(server.port)", trusting) != nil)
        #expect(failure("https://ip6-localhost:\(server.port)", trusting) != nil)
    }

    @Test func `multiplexed connections use TLS as well`() throws {
        let server = try TLSServer()
        let endpoint = try Endpoint(url: "https://localhost:\(server.port)")
        let delegate = try Counter(endpoint, count: 20)
        var options = ClientOptions()
        options.tls = try TLSContext(caFile: server.certificate)
        try LoadClient(endpoint, connections: 2, delegate: delegate, options: options).run()
        #expect(delegate.good == 20)
        #expect(delegate.bad.isEmpty)
        let untrusting = try Counter(endpoint, count: 1)
        let client = try LoadClient(endpoint, connections: 2, delegate: untrusting)
        #expect { try client.run() } throws: { ($0 as? HTTPClientError)?.code == .certificateRejected }
    }

    @Test func `a server without TLS, and a file that is no certificate, are told`() throws {
        let server = ScriptedServer([{ $0.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") }])
        #expect(failure(server.url.replacing("http:", with: "https:"), ClientOptions()) == .tlsFailed)
        server.finish()
        #expect(throws: HTTPClientError.self) { try TLSContext(caFile: "/dev/null") }
        #expect(throws: HTTPClientError.self) { try TLSContext(caFile: "/nowhere/at-all") }
    }

    private func failure(_ url: String, _ options: ClientOptions) -> HTTPClientError.Code? {
        do {
            _ = try HTTPConnection(try Endpoint(url: url), options: options).send(ClientRequest(target: "/"))
            return nil
        } catch {
            return error.code
        }
    }
}

private final class Counter: LoadDelegate {
    private let template: RequestTemplate
    private var left: Int
    var good = 0
    var bad: [HTTPClientError] = []

    init(_ endpoint: Endpoint, count: Int) throws {
        template = try RequestTemplate(method: "GET", target: "/", endpoint: endpoint)
        left = count
    }

    func next(into bytes: inout [UInt8]) -> LoadNext {
        guard left > 0 else { return .end }
        left -= 1
        template.append(body: UnsafeRawBufferPointer(start: nil, count: 0), to: &bytes)
        return .request(tag: UInt64(left))
    }

    func received(_ response: LoadResponse) { good += response.status == 200 ? 1 : 0 }
    func failed(tag: UInt64, _ error: HTTPClientError) { bad.append(error) }
}
