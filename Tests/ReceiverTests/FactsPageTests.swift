import HTTPClient
import SessionModel
import Testing

/// The facts of a session, page by page.
@Suite struct FactsPageTests {
    @Test func `pages go on where the one before ended`() throws {
        try withApplication { server throws in
            for second in 0..<25 as Range<Int64> { try server.report("SESSION_X", "S1", at: second) }
            let whole = try #require(try server.get("/v1/sessions/S1/facts").json)
            #expect(whole.member("next") == nil)
            var found: [CanonicalJSON] = []
            var query = "?limit=10"
            var pages = 0
            while true {
                let page = try #require(try server.get("/v1/sessions/S1/facts" + query).json)
                found += page.member("facts")?.elements ?? []
                pages += 1
                guard let next = page.string("next") else { break }
                query = "?limit=10&after=" + next
            }
            #expect(pages == 3)
            #expect(found == whole.member("facts")?.elements)
        }
    }

    @Test func `a page of large facts ends early`() throws {
        try withApplication { server throws in
            let padding = String(repeating: "x", count: 60_000)
            for second in 0..<12 as Range<Int64> {
                try server.report("SESSION_X", "S1", at: second, extra: #","site":"\#(padding)""#)
            }
            let page = try #require(try server.get("/v1/sessions/S1/facts").json)
            #expect(page.member("facts")?.elements.count == 9)
            let next = try #require(page.string("next"))
            let rest = try #require(try server.get("/v1/sessions/S1/facts?after=" + next).json)
            #expect(rest.member("facts")?.elements.count == 3)
            #expect(rest.member("next") == nil)
        }
    }

    @Test func `operators get each fact with its body as it came`() throws {
        let directory = TestDirectory()
        try withApplication(in: directory) { server throws in
            let body = Array(
                #" {"event":"E\u0041","payload":{"timestamp":"2025-06-12T10:00:00.10Z","sessionId":"S1"}}"#.utf8)
            #expect(try server.post(body).status == 200)
            #expect(try server.get("/v1/sessions/S1/facts?bodies=true").problem == "insufficient-scope")
            let control = TestControl(directory)
            defer { control.close() }
            for (query, expected) in [("?bodies=true", body), ("?bodies=false", nil), ("", nil)] {
                let facts = try control.send("GET", "/v1/sessions/S1/facts" + query).json?.member("facts")?.elements
                #expect(facts?.count == 1 && facts?.first?.string("body").map { Array($0.utf8) } == expected)
            }
        }
    }

    @Test(arguments: ["limit=0", "bodies=1", "limit=1001", "limit=x", "after=1", "after=", "limit=1&limit=2"])
    func `what is no page is refused`(query: String) throws {
        try withApplication { server throws in
            #expect(try server.get("/v1/sessions/S1/facts?" + query).problem == "malformed-query")
        }
    }
}
