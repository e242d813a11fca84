import Foundation
import Glibc
import HTTPClient
import Testing

/// `openssl s_server` with a certificate of its own making. It answers with the files of its directory as they are.
private final class TLSServer {
    static let program = "/usr/bin/openssl"
    let directory: URL
    let port: UInt16
    private let pid: pid_t
    private let output: Int32

    var certificate: String { directory.appending(path: "certificate.pem").path(percentEncoded: false) }

    /// The names and addresses of most certificates here: this machine's.
    static let names = ["-subj", "/CN=test", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]

    /// - Parameter files: whole answers, by name.
    init(names: [String] = TLSServer.names, files: [String: String] = [:]) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "chargefold-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let make = try Self.start(
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-keyout", "key.pem", "-out", "certificate.pem",
            ] + names, in: directory, output: "/dev/null")
        waitpid(make, nil, 0)
        for (name, answer) in files { try Data(answer.utf8).write(to: directory.appending(path: name)) }

        let fifo = directory.appending(path: "output").path(percentEncoded: false)
        try #require(mkfifo(fifo, 0o600) == 0)
        // For reading and writing: opening does not wait for the other end.
        output = open(fifo, O_RDWR | O_CLOEXEC)
        pid = try Self.start(
            ["s_server", "-accept", "127.0.0.1:0", "-cert", "certificate.pem", "-key", "key.pem", "-HTTP"],
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
    /// The server takes the next connection when this one is closed.
    private static let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

    @Test func `the certificate is checked against issuers, name and address`() throws {
        let server = try TLSServer(files: ["ok": Self.answer])
        var trusting = ClientOptions()
        trusting.caFile = server.certificate

        for host in ["localhost", "127.0.0.1"] {
            let connection = HTTPConnection(try Endpoint(url: "https://\(host):\(server.port)"), options: trusting)
            let response = try connection.send(ClientRequest(target: "/ok"))
            #expect(response.status == 200)
            #expect(response.body == Array("ok".utf8))
        }
        let untrusting = failure("https://localhost:\(server.port)", ClientOptions())
        #expect(untrusting?.code == .certificateRejected)
        #expect(untrusting?.mayHaveBeenSent == false)
        // The same server under a name that its certificate does not have.
        #expect(failure("https://127.0.0.2:\(server.port)", trusting) != nil)
        #expect(failure("https://ip6-localhost:\(server.port)", trusting) != nil)
    }

    @Test(arguments: [
        ["-subj", "/CN=localhost"],
        ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:example.org"],
        ["-subj", "/CN=test", "-addext", "subjectAltName=DNS:127.0.0.1"],
    ]) func `a host stands in the certificate's list of names, or nowhere`(names: [String]) throws {
        let server = try TLSServer(names: names, files: ["ok": Self.answer])
        var options = ClientOptions()
        options.caFile = server.certificate
        for host in ["localhost", "127.0.0.1"] {
            #expect(failure("https://\(host):\(server.port)", options)?.code == .certificateRejected)
        }
    }

    @Test func `bytes behind the length are refused, as is a body that only the connection's end would end`() throws {
        // The length ends within the second record of 16 KiB.
        let server = try TLSServer(files: [
            "long": "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + String(repeating: "x", count: 40_000),
            "endless": "HTTP/1.1 200 OK\r\n\r\nwho has ended this?", "ok": Self.answer,
            "chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ])
        var options = ClientOptions()
        options.caFile = server.certificate
        let url = "https://localhost:\(server.port)"
        #expect(failure(url, options, "/long")?.code == .malformedResponse)
        #expect(failure(url, options, "/endless")?.code == .malformedResponse)
        #expect(failure(url, options, "/ok") == nil)
        #expect(failure(url, options, "/chunks") == nil)
    }

    @Test func `multiplexed connections use TLS as well`() throws {
        let server = try TLSServer(files: ["ok": Self.answer])
        let endpoint = try Endpoint(url: "https://localhost:\(server.port)")
        let delegate = Counter(count: 20)
        var options = ClientOptions()
        options.caFile = server.certificate
        try LoadClient(endpoint, connections: 2, delegate: delegate, options: options).run()
        #expect(delegate.good == 20)
        #expect(delegate.bad.isEmpty)
        let client = try LoadClient(endpoint, connections: 2, delegate: Counter(count: 1))
        #expect { try client.run() } throws: { ($0 as? HTTPClientError)?.code == .certificateRejected }
    }

    @Test func `a server without TLS, and a file that is no certificate, are told`() throws {
        let server = ScriptedServer([{ $0.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") }])
        let url = server.url.replacing("http:", with: "https:")
        let error = failure(url, ClientOptions())
        #expect(error?.code == .tlsFailed)
        #expect(error?.mayHaveBeenSent == false)
        server.finish()
        for file in ["/dev/null", "/nowhere/at-all"] {
            let other = ScriptedServer([{ $0.waitForEnd() }])
            var options = ClientOptions()
            options.caFile = file
            #expect(failure(other.url.replacing("http:", with: "https:"), options)?.code == .tlsFailed)
            other.finish()
        }
    }

    @Test func `a server that never answers the handshake has been sent nothing`() throws {
        let silent = ScriptedServer([{ $0.waitForEnd() }])
        var options = ClientOptions()
        options.connectSeconds = 0.05
        let error = failure(silent.url.replacing("http:", with: "https:"), options)
        #expect(error?.code == .connectTimedOut)
        #expect(error?.mayHaveBeenSent == false)
        silent.finish()
    }

    private func failure(_ url: String, _ options: ClientOptions, _ target: String = "/ok") -> HTTPClientError? {
        do {
            _ = try HTTPConnection(try Endpoint(url: url), options: options).send(ClientRequest(target: target))
            return nil
        } catch {
            return error
        }
    }
}

private final class Counter: LoadDelegate {
    private var left: Int
    var good = 0
    var bad: [HTTPClientError] = []

    init(count: Int) { left = count }

    func next() -> LoadNext {
        guard left > 0 else { return .end }
        left -= 1
        return .request(ClientRequest(target: "/ok"), tag: UInt64(left))
    }

    func received(_ response: ClientResponse, tag: UInt64, latencyNanoseconds: UInt64) {
        good += response.status == 200 ? 1 : 0
    }

    func failed(tag: UInt64, _ error: HTTPClientError) { bad.append(error) }
}
