import HTTPClient
import Receiver
import SessionModel
import Testing

/// What the command line does through the control socket in the data directory.
final class TestControl {
    private let connection: HTTPConnection

    init(_ directory: TestDirectory) {
        connection = HTTPConnection(
            Endpoint(transport: .unix(path: directory.file("data/\(Application.controlSocketName)"))))
    }

    func close() { connection.close() }

    func send(
        _ method: String, _ target: String, body: String = "", fields: [(name: String, value: String)] = []
    ) throws -> ClientResponse {
        try connection.send(ClientRequest(method: method, target: target, fields: fields, body: Array(body.utf8)))
    }

    /// The entries of the quarantine.
    func entries() throws -> [CanonicalJSON] {
        try #require(try send("GET", "/v1/quarantine").json?.member("entries")).elements
    }

    /// The outcomes of a retry, each as `id outcome reason`.
    func retry(_ selection: String = #"{"all":true}"#) throws -> [String] {
        let answer = try send("POST", "/v1/quarantine/retry", body: selection)
        #expect(answer.status == 200, "\(answer.text)")
        return answer.json?.member("results")?.elements.map { result in
            [result.member("id")?.text, result.string("outcome"), result.string("reason")].compactMap { $0 }
                .joined(separator: " ")
        } ?? []
    }
}
