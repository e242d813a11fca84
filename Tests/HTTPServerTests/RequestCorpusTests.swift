import HTTPServer
import Testing

@Suite struct RequestCorpusTests {
    @Test func `holds at least thirteen hundred cases with names of their own`() throws {
        let cases = try CorpusCase.load()
        #expect(cases.count >= 1_300)
        #expect(Set(cases.map(\.name)).count == cases.count)
    }

    @Test func `every raw request over TCP has an allowed outcome`() throws {
        let server = try TestServer(limits: { $0.lingerSeconds = 60 })
        for test in try CorpusCase.load() {
            let client = try server.client()
            let accepted = client.send(test.bytes)
            // A server that closes by itself must do so without being asked.
            if !test.closes, accepted { client.halfClose() }
            try check(test, client)
        }
        let next = try server.client().get("/alive")
        #expect(next?.text == "GET /alive ")
    }

    @Test func `every short raw request byte by byte has an allowed outcome`() throws {
        // A starved client must not lose its answer to the end of the lingering.
        let server = try TestServer(limits: { $0.lingerSeconds = 60 })
        for test in try CorpusCase.load() where test.bytes.count <= 300 {
            let client = try server.client()
            for byte in test.bytes where !client.send([byte]) { break }
            if !test.closes { client.halfClose() }
            try check(test, client)
        }
    }

    private func check(_ test: CorpusCase, _ client: TestClient) throws {
        var statuses: [String] = []
        var bodies: [String] = []
        do {
            while let response = try client.response(isHead: test.head ?? false) {
                statuses.append(String(response.status))
                if response.status == 200 { bodies.append(response.text) }
                if response.status >= 400 { #expect(response["Connection"] == "close", "\(test.name)") }
            }
        } catch {
            Issue.record("\(test.name): \(error) after \(statuses)")
        }
        let outcome = statuses.joined(separator: ",")
        #expect(test.allow.contains(outcome), "\(test.name): got \(outcome), allowed \(test.allow)")
        if let echo = test.echo, statuses.allSatisfy({ $0 == "200" }) { #expect(bodies == echo, "\(test.name)") }
    }
}
