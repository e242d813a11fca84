import HTTPClient
import Receiver
import SessionModel
import Testing

/// How calls to the Drive API ended, for whoever is on call.
@Suite struct DriveAPIOutcomeTests {
    private func metrics(_ server: RunningServer) throws -> String {
        String(decoding: try server.get("/metrics").body, as: UTF8.self)
    }

    @Test func `a key that is refused is told once a minute, shown, and counted apart`() throws {
        let upstream = Upstream { _, number in
            number <= 3
                ? Upstream.json(#"{"message":"no"}"#, status: 401)
                : Upstream.json(#"{"message":"no receipt yet"}"#, status: 404)
        }
        try withGateway(upstream, { $0.api.adminToken = try Callback.key("token-of-an-operator") }) { server in
            for _ in 0..<3 { #expect(try server.get("/v1/users/u1/sessions/S1/receipt").status == 502) }
            #expect(
                server.log.lines("the Drive API refuses the API key: nothing can be started, stopped or asked").count
                    == 1)
            let overview = try server.get("/v1/overview", token: "token-of-an-operator").json
            #expect(overview?.member("driveApi")?.member("keyRefused")?.bool == true)
            let before = try metrics(server)
            #expect(before.contains("chargefold_drive_api_key_refused 1\n"))
            #expect(before.contains("calls_total{call=\"receipt\",outcome=\"unauthorized\"} 3\n"))

            #expect(try server.get("/v1/users/u1/sessions/S1/receipt").status == 404)
            let after = try metrics(server)
            #expect(after.contains("chargefold_drive_api_key_refused 0\n"))
            #expect(after.contains("calls_total{call=\"receipt\",outcome=\"refused\"} 1\n"))
            #expect(after.contains("calls_total{call=\"receipt\",outcome=\"failed\"} 0\n"))
        }
    }
}
