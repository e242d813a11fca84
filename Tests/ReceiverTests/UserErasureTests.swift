import Compression
import Glibc
import HTTPClient
import Receiver
import SessionModel
import Testing

/// `DELETE /v1/users/{userId}` over a real socket.
@Suite struct UserErasureTests {
    private static let admin = "token-of-an-operator"

    @Test func `a user goes, also out of the quarantine, and stays gone after a restart`() throws {
        let directory = TestDirectory()
        let change: (inout ReceiverConfiguration) throws -> Void = { configuration in
            configuration.api.adminToken = try Callback.key(Self.admin)
        }
        try withApplication(in: directory, change) { server throws in
            for index in 0..<20 {
                let user = index % 2 == 0 ? "user-to-erase" : "user-to-erase2"
                #expect(
                    try server.post(Callback.body("SESSION_STARTED", "S\(index)", extra: #","userId":"\#(user)""#))
                        .status
                        == 200)
            }
            // Authentic, but no event; with its content coding.
            let broken = Array(#"{"event":"X","payload":{"userId":"user-to-erase"}}"#.utf8)
            #expect(try server.post(broken).status == 400)
            let packed = try gzip(broken)
            #expect(try server.post(packed, fields: [("Content-Encoding", "gzip")]).status == 400)
            #expect(try server.post(broken, secret: "wrong").status == 403)

            let none = try erase(server, "nobody")
            #expect(none.status == 200)
            #expect(none.json?.member("sessionsRemoved")?.text == "0")
            let done = try erase(server, "user-to-erase")
            #expect(done.status == 200)
            #expect(done.field("Cache-Control") == "no-store")
            #expect(done.json?.member("sessionsRemoved")?.text == "10")
            #expect(done.json?.member("deliveriesRemoved")?.text == "10")
            #expect(done.json?.member("quarantinedRemoved")?.text == "3")
            #expect(try server.get("/v1/sessions/S0").status == 404)
            #expect(try server.get("/v1/sessions/S1").status == 200)
            #expect(try erase(server, "user-to-erase").json?.member("sessionsRemoved")?.text == "0")
        }
        try withApplication(in: directory, change) { server throws in
            #expect(try server.get("/v1/sessions/S0").status == 404)
            #expect(try server.get("/v1/sessions/S1").json?.string("userId") == "user-to-erase2")
            let log = try server.get("/v1/log", token: Self.admin)
            #expect(log.text.split(separator: "\n").count == 10)
            #expect(!log.text.contains(#"user-to-erase\""#))
        }
    }

    private func erase(_ server: RunningServer, _ userId: String) throws -> ClientResponse {
        try server.get("/v1/users/\(userId)", method: "DELETE", token: Self.admin)
    }
}
