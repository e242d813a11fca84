import Base
import HTTPClient
import HTTPServer
import SessionModel
import Testing
import WebhookSecurity

@testable import Receiver

/// Answers that are kept beside the record: never another text than the one that would be written now.
@Suite struct SessionAnswerTests {
    private static let connectors = ["c1", "c2"]

    /// A history of any kind: our own requests, callbacks, and what the Drive API says.
    private func history(_ random: inout SeededRandom) throws -> SessionRecord {
        var record = SessionRecord(sessionId: "S1")
        for index in 0..<Int.random(in: 1...6, using: &random) {
            let at = testTime.adding(seconds: Int64.random(in: -200...200, using: &random))
            let event: SessionEvent
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                let action = [SessionEvent.ClientAction.start, .stop, .abandon].randomElement(using: &random) ?? .start
                let connector = Self.connectors.randomElement(using: &random)
                event = try SessionEvent.decode(
                    SessionEvent.clientBody(action, sessionId: "S1", userId: "u", connectorId: connector, at: at),
                    source: .client)
            case 1:
                let status = ["CREATED", "WAITING_TO_START", "STARTED", "WAITING_TO_STOP", "COMPLETE", "NEW_STATUS"]
                    .randomElement(using: &random)
                event = try SessionEvent.decode(
                    Array(
                        #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"\#(at.rfc3339)","#.utf8)
                        + Array(#""sessionStatus":"\#(status ?? "")","connectorId":"c1"}}"#.utf8), source: .driveApi)
            default:
                let name = [
                    "SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE", "SESSION_START_FAILED",
                    "SESSION_STOP_FAILED", "SESSION_FEE_INCURRING",
                ].randomElement(using: &random)
                event = try SessionEvent.decode(Callback.body(name ?? "", at: at.rfc3339))
            }
            record.apply(
                event, position: Int64(index + 1), receivedAt: at,
                place: Place(origin: .none, sequence: Int64(index + 1)))
        }
        return record
    }

    @Test func `what is taken for right is what would be written`() throws {
        var settings = GuidanceSettings()
        settings.startedHoursMax = 1
        var random = SeededRandom(seed: 11)
        var kept = 0
        var outdated = 0
        for _ in 0..<3_000 {
            let cooldowns = ConnectorCooldowns(seconds: settings.connectorCooldownSeconds)
            let renderer = SessionRenderer(settings: settings, cooldowns: cooldowns)
            let record = try history(&random)
            let madeAt = testTime.adding(seconds: Int64.random(in: -100...4_000, using: &random))
            let answer = renderer.answer(record, now: madeAt)
            for _ in 0..<6 {
                if Int.random(in: 0..<4, using: &random) == 0 {
                    let at = testTime.adding(seconds: Int64.random(in: -100...4_000, using: &random))
                    cooldowns.note(Self.connectors.randomElement(using: &random) ?? "", startedAt: at)
                }
                // Clocks are set back, too.
                let now = madeAt.adding(seconds: Int64.random(in: -20...4_000, using: &random))
                let fresh = renderer.answer(record, now: now)
                let isSame =
                    fresh.response(Preconditions()).body == answer.response(Preconditions()).body
                    && fresh.tag == answer.tag
                if renderer.isRight(answer, now: now) {
                    #expect(isSame)
                    kept += 1
                } else if !isSame {
                    outdated += 1
                }
            }
        }
        #expect(kept > 4_000 && outdated > 1_000)
    }

    @Test func `each change of a session is seen at once`() throws {
        try withApplication { server throws in
            for (index, event) in ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"].enumerated() {
                for repeats in 1...2 {
                    #expect(try server.post(Callback.body(event, at: "2025-06-12T10:0\(index):00Z")).status == 200)
                    for _ in 0..<3 {
                        let answer = try server.get("/v1/sessions/S1")
                        #expect(
                            answer.json?.string("sessionStatus") == event.split(separator: "_").last.map(String.init))
                        #expect(answer.json?.member("version")?.text == "\(index + 1)")
                        // Repeats change the account of deliveries and nothing else.
                        #expect(
                            answer.json?.member("deliveries")?.member("received")?.text == "\(2 * index + repeats)")
                        let tag = try #require(answer.field("ETag"))
                        let again = try server.get("/v1/sessions/S1", fields: [("If-None-Match", tag)])
                        #expect(again.status == 304 && again.field("ETag") == tag && again.body.isEmpty)
                        #expect(try server.get("/v1/sessions/S1", method: "HEAD").body.isEmpty)
                    }
                }
            }
        }
    }

    @Test func `what was kept for one is shown to nobody else`() throws {
        try withApplication({ configuration in
            configuration.api.tokens = [
                NamedSecret(name: "a", value: try Callback.key("token-of-user-a"), scopes: [.readUser("user-a")]),
                NamedSecret(name: "b", value: try Callback.key("token-of-user-b"), scopes: [.readUser("user-b")]),
            ]
        }) { server throws in
            _ = try server.post(Callback.body("SESSION_STARTED", "SA", extra: #","userId":"user-a""#))
            for _ in 0..<2 {
                #expect(try server.get("/v1/sessions/SA").status == 200)
                #expect(try server.get("/v1/sessions/SA", token: "token-of-user-a").status == 200)
                let other = try server.get("/v1/sessions/SA", token: "token-of-user-b")
                #expect(other.status == 404 && !other.text.contains("user-a"))
                #expect(try server.get("/v1/users/user-b/sessions/SA").status == 404)
                #expect(try server.get("/v1/users/user-a/sessions/SA").status == 200)
                #expect(try server.get("/v1/sessions/SA", token: nil).status == 401)
            }
            // From now on it is another's as well.
            _ = try server.post(Callback.body("SESSION_STOPPED", "SA", extra: #","userId":"user-b""#))
            #expect(try server.get("/v1/sessions/SA", token: "token-of-user-a").status == 404)
            #expect(try server.get("/v1/sessions/SA").status == 200)
        }
    }
}
