import HTTPClient
import PostgresTestSupport
import Receiver
import SessionModel
import Testing

/// The quarantine of two receivers with one database, over HTTP.
@Suite(.enabled(if: PostgresServer.isInstalled), .serialized) struct SharedQuarantineTests {
    private let receivers = SharedReceivers()

    @Test func `any receiver lists, shows, retries and drops what another one has in quarantine`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            try receivers.with("a", database) { a in
                try receivers.with("b", database) { b in
                    try receivers.warmUp(a)
                    try receivers.warmUp(b)
                    // An event of a form that was not taken, and one that nobody ever takes.
                    #expect(
                        try a.post(Callback.body("SESSION_STARTED", "strange"), contentType: "text/plain").status == 415
                    )
                    #expect(try a.post(Array("{}".utf8)).status == 400)
                    try eventually("the other one lists both") { try b.quarantined().count == 2 }
                    let listed = try b.quarantined()
                    #expect(listed.map { $0.string("receiver") } == ["a", "a"])
                    #expect(listed == (try a.quarantined()))
                    let ids = listed.compactMap { $0.member("id")?.text }
                    let shown = try b.operate("GET", "/v1/quarantine/\(ids[1])")
                    #expect(shown.json?.string("body") == "{}")
                    #expect(shown.json?.string("receiver") == "a")

                    let refused = try b.post("/v1/quarantine/\(ids[1])/retry", "", token: SharedReceivers.adminToken)
                    #expect(refused.status == 422)
                    #expect(try b.quarantined().count == 2, "what is still refused stays")
                    let taken = try b.post("/v1/quarantine/\(ids[0])/retry", "", token: SharedReceivers.adminToken)
                    #expect(taken.status == 200)
                    #expect(taken.json?.string("outcome") == "accepted")
                    #expect(taken.isReplicated)
                    #expect(try a.get("/v1/sessions/strange").status == 200)
                    for server in [a, b] {
                        #expect(try server.quarantined().compactMap { $0.member("id")?.text } == [ids[1]])
                        #expect(try server.operate("GET", "/v1/quarantine/\(ids[0])").status == 404)
                    }
                    #expect(try b.operate("DELETE", "/v1/quarantine/\(ids[1])").status == 204)
                    #expect(try b.operate("DELETE", "/v1/quarantine/\(ids[1])").status == 404)
                    for server in [a, b] { #expect(try server.quarantined().isEmpty) }
                    #expect(try receivers.query(database) { "select count(*) from \($0).quarantine" } == "0")
                }
            }
        }
    }

    @Test func `what its receiver retries or drops is gone for all, and one retry is for all of them`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            try receivers.with("a", database) { a in
                try receivers.with("b", database) { b in
                    try receivers.warmUp(a)
                    try receivers.warmUp(b)
                    for (server, session) in [(a, "of-a"), (b, "of-b")] {
                        let body = Callback.body("SESSION_STARTED", session)
                        #expect(try server.post(body, contentType: "text/plain").status == 415)
                        #expect(try server.post(Array("[\"\(session)\"]".utf8)).status == 400)
                    }
                    for server in [a, b] { try eventually("all are listed") { try server.quarantined().count == 4 } }
                    // Page by page it is the same list.
                    let first = try a.operate("GET", "/v1/quarantine?limit=3").json
                    #expect(first?.member("entries")?.elements.count == 3)
                    let next = try #require(first?.member("after")?.text)
                    #expect(
                        try a.operate("GET", "/v1/quarantine?limit=3&after=\(next)").json?.member("entries")?.elements
                            .count == 1)

                    let dropped = try #require(
                        try b.quarantined().first { $0.string("receiver") == "b" }?.member("id")?.text)
                    #expect(try b.operate("DELETE", "/v1/quarantine/\(dropped)").status == 204)
                    #expect(try a.quarantined().count == 3)
                    let results = try a.post(
                        "/v1/quarantine/retry", #"{"all":true}"#, token: SharedReceivers.adminToken
                    ).json?.member("results")?.elements
                    #expect(results?.count == 3)
                    #expect(try b.get("/v1/sessions/of-a").status == 200)
                    #expect(try b.quarantined().allSatisfy { $0.string("reason") != "UNSUPPORTED_MEDIA_TYPE" })
                }
            }
        }
    }

    @Test func `bodies that do not verify stay with their receiver, and say whose they are`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            try receivers.with("a", database) { a in
                try receivers.with("b", database) { b in
                    try receivers.warmUp(a)
                    try receivers.warmUp(b)
                    let body = Callback.body("SESSION_STARTED", "forged")
                    #expect(try a.post(body, secret: "not the secret").status == 403)
                    #expect(try a.post(Array("{}".utf8)).status == 400)
                    try eventually("the verified one is at the other one") { try b.quarantined().count == 1 }
                    #expect(try a.quarantined().map { $0.string("kind") } == ["unverified", "verified"])
                    #expect(try a.quarantined().map { $0.string("receiver") } == ["a", "a"])
                    #expect(try b.quarantined().map { $0.string("kind") } == ["verified"])
                }
            }
        }
    }

    @Test func `without the database everything goes on here, and is shared later`() async throws {
        let database = try PostgresServer()
        try await onThread { [receivers] in
            let change: @Sendable (inout ReceiverConfiguration) throws -> Void = {
                $0.replication.localAfterMilliseconds = 200
            }
            try receivers.with("a", database, change: change) { a in
                try receivers.with("b", database, change: change) { b in
                    try receivers.warmUp(a)
                    try receivers.warmUp(b)
                    #expect(try a.post(Array("[1]".utf8)).status == 400)
                    try eventually("it is shared") { try b.quarantined().count == 1 }
                    try database.stop()
                    #expect(try a.post(Array("[2]".utf8)).status == 400)
                    try eventually("it is seen that nobody answers") {
                        try a.operate("GET", "/v1/quarantine").field("Chargefold-Consistency") == "local"
                    }
                    let entries = try a.quarantined()
                    #expect(entries.count == 2)
                    let dropped = try #require(entries.first?.member("id")?.text)
                    #expect(try a.operate("DELETE", "/v1/quarantine/\(dropped)").status == 204)
                    try database.start()
                    try eventually("it is as it is there") {
                        try b.quarantined().compactMap { $0.member("id")?.text } == [entries[1].member("id")?.text]
                    }
                    // The database loses everything: what is here is shared again.
                    _ = try receivers.query(database) { "delete from \($0).quarantine" }
                    try eventually("it is there again") { try b.quarantined().count == 1 }
                }
            }
        }
    }

    @Test
    func `a receiver that is gone with its disk leaves its quarantine to the others, and two with one id are two`()
        async throws
    {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            try receivers.with("a", database) { a in
                try receivers.warmUp(a)
                #expect(try a.post(Callback.body("SESSION_STARTED", "left"), contentType: "text/plain").status == 415)
                try eventually("it is shared") {
                    try receivers.query(database) { "select count(*) from \($0).quarantine" } == "1"
                }
            }
            // The same name with an empty directory.
            try receivers.with("a", database) { a in
                try receivers.warmUp(a, "anew")
                #expect(try a.post(Array("[1]".utf8)).status == 400)
                try eventually("both are there") { try a.quarantined().count == 2 }
                let ids = try a.quarantined().compactMap { $0.member("id")?.text }
                // Somebody else turns out to have the id of the second one.
                try eventually("it is shared") {
                    try receivers.query(database) { "select count(*) from \($0).quarantine" } == "2"
                }
                _ = try receivers.query(database) {
                    "update \($0).quarantine set receiver = 'other', received_at = 1 where id = \(ids[1])"
                }
                try eventually("it has another one") { try a.quarantined().count == 3 }
                #expect(
                    try a.post("/v1/quarantine/\(ids[0])/retry", "", token: SharedReceivers.adminToken).status == 200
                )
                #expect(try a.get("/v1/sessions/left").status == 200)
                #expect(try a.quarantined().map { $0.string("receiver") } == ["other", "a"])
            }
        }
    }

    @Test func `an erasure takes bodies that name the user from every receiver and the shared table`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            let directory = TestDirectory()
            func count(_ text: String) throws -> String {
                try receivers.query(database) {
                    "select count(*) from \($0).quarantine where position('\(text)'::bytea in body) > 0"
                }
            }
            try receivers.with("a", database) { a in
                try receivers.with("b", database, in: directory) { b in
                    try receivers.warmUp(a)
                    try receivers.warmUp(b)
                    // At b alone, and nobody has a delivery that names them.
                    #expect(try b.post(Array(#"{"who":"leaver"}"#.utf8)).status == 400)
                    #expect(try b.post(Array(#"{"who":"stayer"}"#.utf8)).status == 400)
                    #expect(try a.post(Array("leaver is no JSON".utf8)).status == 400)
                    for server in [a, b] { try eventually("all are listed") { try server.quarantined().count == 3 } }
                }
                #expect(try count("leaver") == "2")
                #expect(try a.operate("DELETE", "/v1/users/leaver").status == 202)
                #expect(try count("leaver") == "0")
                #expect(try a.quarantined().count == 1)
                try receivers.with("b", database, in: directory) { b in
                    try eventually("it is erased there, too") {
                        try a.operate("DELETE", "/v1/users/leaver").status == 200
                    }
                    let left = try b.quarantined()
                    #expect(left.count == 1)
                    let id = try #require(left.first?.member("id")?.text)
                    #expect(try b.operate("GET", "/v1/quarantine/\(id)").text.contains("stayer"))
                }
            }
        }
    }
}

extension RunningServer {
    fileprivate func quarantined() throws -> [CanonicalJSON] {
        try operate("GET", "/v1/quarantine").json?.member("entries")?.elements ?? []
    }
}
