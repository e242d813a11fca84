import Foundation
import Glibc
import HTTPClient
import Testing

/// `openssl s_server` with a certificate of its own making, for names and addresses of this machine.
private final class TLSServer {
    static let program = "/usr/bin/openssl"
    let directory: URL
    let port: UInt16
    private let process = Process()

    var certificate: String { directory.appending(path: "certificate.pem").path(percentEncoded: false) }

    init() throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "chargefold-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let make = Process()
        make.executableURL = URL(filePath: Self.program)
        make.currentDirectoryURL = directory
        make.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=test",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem",
        ]
        make.standardError = FileHandle.nullDevice
        try make.run()
        make.waitUntilExit()

        let output = Pipe()
        process.executableURL = URL(filePath: Self.program)
        process.currentDirectoryURL = directory
        process.arguments = [
            "s_server", "-accept", "127.0.0.1:0", "-cert", "certificate.pem", "-key", "key.pem", "-www",
        ]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var text = ""
        while !text.contains("ACCEPT") || !text.hasSuffix("\n") {
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { break }
            text += String(decoding: data, as: UTF8.self)
        }
        let digits = text.split(separator: ":").last?.prefix { $0.isNumber } ?? ""
        port = try #require(UInt16(digits), "\(text)")
    }

    deinit {
        // Not SIGTERM: a child of a test's thread may have it blocked.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: directory)
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
