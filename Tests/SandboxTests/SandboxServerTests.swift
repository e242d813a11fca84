import Base
import Dispatch
import DriveAPI
import SessionModel
import Testing
import WebhookSecurity

@testable import Sandbox

@Suite struct SandboxServerTests {
    private static let search =
        "/drive/v1/geosearch/radius?latitude=52.334242&longitude=20.899305&distance=500&limit=300&aggregate=false"

    @Test func `the documented walk: search, start, look, stop, history, receipt; each callback signed, once`() throws {
        let rig = try Rig()
        let found = try rig.send(
            "POST",
            "/drive/v1/geosearch/radius?latitude=52.290056&longitude=20.907028&distance=500&limit=300&aggregate=false",
            "\n{\n\"filters\": {\n\"locationStatuses\": [\n\"AVAILABLE\"\n]\n}\n}\n")
        #expect(found.status == 200)
        let evse = found.json.member("locations")?.elements.first?.member("stations")?.elements.first?
            .member("evses")?.elements.first
        #expect(evse?.string("evseId") == "SE*REM*E1000")
        #expect(evse?.member("capabilities")?.elements.compactMap(\.string) == ["REMOTE_START_STOP_CAPABLE"])
        let connector = try #require(evse?.member("connectors")?.elements.first?.string("id"))
        #expect(connector == Stage.castle)

        let id = try rig.start(connector)
        try rig.pass(30)
        #expect(try rig.status(id) == "STARTED")
        #expect(try rig.send("POST", "/drive/v1/users/user1/sessions/\(id)/stop").status == 200)
        #expect(try rig.status(id) == "WAITING_TO_STOP")
        try rig.pass(200)
        #expect(try rig.status(id) == "COMPLETE")
        #expect(try rig.send("POST", "/drive/v1/users/user1/sessions/\(id)/stop").status == 200)
        let history = try rig.send("POST", "/drive/v1/users/user1/sessions/history", "{}").json
        #expect(history.member("sessions")?.elements.first?.string("sessionId") == id)
        #expect(history.member("cursor") == nil)
        let receipt = try rig.send("GET", "/drive/v1/users/user1/sessions/\(id)/receipt").json
        #expect(receipt.string("url")?.hasPrefix("https://") == true)

        let callbacks = try rig.stub.wait(for: 4)
        #expect(callbacks.map(\.name) == ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE", nil])
        #expect(callbacks.map(\.path).last == "/webhooks/cdrs")
        #expect(callbacks.allSatisfy { $0.verdict == .current && $0.agreed == "between us" && $0.signedAt != nil })
        let record = try CanonicalJSON(parsing: try #require(callbacks.last?.body))
        #expect(record.string("sessionId") == id)
        #expect(record.string("requestId") != nil)
    }

    @Test(arguments: [
        ("DE*DRV*E6mayTt", "WAITING_TO_START"), ("DE*DRV*E4JanRe", "STARTED"), ("DE*DRV*E9svnVs", "FAILED"),
        ("DE*DRV*E8vsnVn", "STOP_FAILED"),
    ]) func `the documented error cases`(evseId: String, status: String) throws {
        let rig = try Rig()
        let found = try rig.send("POST", Self.search, #"{"filters":{"locationStatuses":["AVAILABLE"]}}"#).json
        let evses = found.member("locations")?.elements.first?.member("stations")?.elements.first?.member("evses")
        let evse = evses?.elements.first { $0.string("evseId") == evseId }
        let id = try rig.start(try #require(evse?.member("connectors")?.elements.last?.string("id")))
        try rig.pass(60)
        #expect(try rig.send("POST", "/drive/v1/users/user1/sessions/\(id)/stop").status == 200)
        try rig.pass(600)
        #expect(try rig.status(id) == status)
    }

    @Test func `a key is needed, and the right one where one is set`() throws {
        let open = try Rig()
        #expect(try open.send("GET", "/drive/v1/users/u/sessions/x", key: nil).status == 401)
        #expect(try open.send("GET", "/drive/v1/users/u/sessions/x", key: "whatever").status == 404)
        let closed = try Rig { $0.apiKey = SecretKey(utf8: "the-key") }
        #expect(try closed.send("GET", "/drive/v1/users/u/sessions/x", key: nil).status == 401)
        #expect(try closed.send("GET", "/drive/v1/users/u/sessions/x", key: "whatever").status == 403)
        #expect(try closed.send("GET", "/drive/v1/users/u/sessions/x", key: "the-key").status == 404)
        // The sandbox's own resources need none.
        #expect(try closed.send("GET", "/sandbox", key: nil).status == 200)
    }

    @Test(arguments: [
        ("POST", "/drive/v1/users/u/sessions/start", "{}", 400), ("POST", "/drive/v1/users/u/sessions/start", "x", 400),
        ("POST", "/drive/v1/users/u/sessions/start", #"{"connectorId":"nowhere"}"#, 404),
        ("POST", "/drive/v1/users/u/sessions/x/stop", "", 404), ("GET", "/drive/v1/users/u/sessions/start", "", 405),
        ("GET", "/drive/v2/users/u/sessions/x", "", 404), ("GET", "/drive/v1/users/%zz/sessions/x", "", 400),
        ("POST", "/drive/v1/geosearch/radius?latitude=91&longitude=0&distance=1", "{}", 400),
        ("POST", "/drive/v1/users/u/sessions/history", #"{"limit":0}"#, 400),
        ("POST", "/drive/v1/users/u/sessions/history", #"{"startTime":"yesterday"}"#, 400),
        ("POST", "/drive/v1/users/u/sessions/history", #"{"cursor":"x"}"#, 400),
        ("POST", "/drive/v1/users/u/sessions/history", #"{"sessionStatus":"COMPLETE"}"#, 400),
        ("POST", "/drive/v1/users/u/sessions/x/retry-payment", "", 404),
        ("POST", "/sandbox/chaos", #"{"callbacks":{"drop":7}}"#, 400), ("POST", "/sandbox/clock", "{}", 400),
        ("POST", "/sandbox/sessions", #"{"count":0}"#, 400), ("POST", "/sandbox/sessions/x/fee", "", 404),
        ("POST", "/sandbox/sessions/x/explode", "", 404), ("DELETE", "/sandbox/sessions", "", 405),
    ]) func `mistakes are told`(method: String, target: String, body: String, status: Int) throws {
        let answer = try Rig().send(method, target, body)
        #expect(answer.status == status)
        #expect(answer.json.string("code") != nil)
        #expect(answer.json.string("message") != nil)
    }

    @Test func `signatures go wrong, or come from the next secret, as told`() throws {
        let rig = try Rig {
            $0.world.chaos.callbacks.nextSecret = 1
            $0.detailRecordCallback = nil
        }
        _ = try rig.start(Stage.castle)
        try rig.pass(30)
        #expect(try rig.stub.wait(for: 1).map(\.verdict) == [.next])
        _ = try rig.send("POST", "/sandbox/chaos", #"{"callbacks":{"wrongSecret":1}}"#)
        try rig.pass(10_000)
        #expect(try rig.stub.wait(for: 2).map(\.verdict) == [.next, .mismatch, .mismatch])
    }

    @Test func `drops and repeats are counted, and nothing is retried`() throws {
        let rig = try Rig(statuses: [500, 503]) {
            $0.world.chaos.callbacks.repeat = 1
            $0.detailRecordCallback = nil
        }
        let id = try rig.start(Stage.castle)
        try rig.pass(60)
        let twice = try rig.stub.wait(for: 2)
        #expect(twice[0].body == twice[1].body)
        _ = try rig.send("POST", "/sandbox/chaos", #"{"callbacks":{"drop":1,"repeat":0}}"#)
        try rig.pass(10_000)
        let truth = try rig.send("GET", "/sandbox/sessions/\(id)").json
        #expect(truth.member("callbacks")?.elements.map { $0.string("fate") } == ["repeated", "dropped", "dropped"])
        #expect(truth.string("sessionStatus") == "COMPLETE")
        #expect(rig.stub.all.count == 2)
        let summary = try rig.send("GET", "/sandbox").json
        #expect(summary.member("callbacks")?.member("dropped")?.integer == 2)
        #expect(summary.member("due")?.integer == 0)
    }

    @Test func `detail records are sent until they are taken`() throws {
        let rig = try Rig(statuses: [200, 200, 200, 500]) { $0.world.detailRecordRetrySeconds = 60 }
        _ = try rig.start(Stage.castle)
        try rig.pass(10_000)
        _ = try rig.stub.wait(for: 4)
        // The answer is noted before the next request can be answered that sees it; the clock is then moved to the retry.
        while try rig.send("GET", "/sandbox").json.member("due")?.integer == 0 {}
        try rig.pass(60)
        let all = try rig.stub.wait(for: 1)
        #expect(all.count == 5)
        #expect(all[3].body == all[4].body)
    }

    @Test func `the API can be down, fail, and be slow`() throws {
        let rig = try Rig()
        _ = try rig.send("POST", "/sandbox/chaos", #"{"api":{"outage":1}}"#)
        #expect(try rig.send("GET", "/drive/v1/users/u/sessions/x").status == 503)
        #expect(try rig.send("GET", "/sandbox").status == 200)
        _ = try rig.send("POST", "/sandbox/chaos", #"{"api":{"outage":0,"error":1,"slow":1,"slowMilliseconds":20}}"#)
        #expect(try rig.send("GET", "/drive/v1/users/u/sessions/x").status == 500)
        _ = try rig.send("POST", "/sandbox/chaos", #"{"preset":"none"}"#)
        #expect(try rig.send("GET", "/drive/v1/users/u/sessions/x").status == 404)
    }

    @Test func `local sessions, fees, debt, payment, refund: all by hand`() throws {
        let rig = try Rig { $0.detailRecordCallback = nil }
        let made = try rig.send("POST", "/sandbox/sessions", #"{"userId":"u7","type":"local"}"#)
        #expect(made.status == 201)
        let id = try #require(made.json.member("sessionIds")?.elements.first?.string)
        try rig.pass(5)
        #expect(try rig.send("POST", "/drive/v1/users/u7/sessions/\(id)/stop").status == 400)
        #expect(try rig.send("POST", "/sandbox/sessions/\(id)/fee").status == 200)
        #expect(try rig.send("POST", "/sandbox/sessions/\(id)/debt").status == 200)
        #expect(try rig.send("POST", "/sandbox/sessions/\(id)/refund").status == 409)
        #expect(try rig.send("POST", "/sandbox/sessions/\(id)/unplug").status == 200)
        try rig.pass(100)
        #expect(try rig.send("GET", "/drive/v1/users/u7/sessions/\(id)").json.string("balanceStatus") == "DEBT")
        #expect(try rig.send("GET", "/drive/v1/users/u7/sessions/\(id)/receipt").status == 404)
        #expect(try rig.send("POST", "/drive/v1/users/u7/sessions/\(id)/retry-payment").status == 200)
        #expect(try rig.send("POST", "/drive/v1/users/u7/sessions/\(id)/retry-payment").status == 400)
        #expect(try rig.send("POST", "/sandbox/sessions/\(id)/refund").status == 200)
        #expect(try rig.send("GET", "/drive/v1/users/u7/sessions/\(id)").json.string("sessionStatus") == "REFUNDED")
        #expect(
            try rig.stub.wait(for: 4).map(\.name) == [
                "SESSION_STARTED", "SESSION_FEE_INCURRING", "SESSION_STOPPED", "SESSION_COMPLETE",
            ])
        let many = try rig.send("POST", "/sandbox/sessions", #"{"count":20,"type":"remote"}"#).json
        #expect(many.member("sessionIds")?.elements.count == 20)
        #expect(try rig.send("GET", "/sandbox/sessions").json.member("count")?.integer == 21)
    }

    @Test func `with the clock running, it goes by itself`() throws {
        let rig = try Rig { $0.speed = 5000 }
        _ = try rig.start(Stage.castle)
        #expect(
            try rig.stub.wait(for: 4).map(\.name) == ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE", nil])
    }

    @Test func `the client of this house speaks with it`() throws {
        let rig = try Rig { $0.apiKey = SecretKey(utf8: "the-key") }
        var settings = DriveAPISettings(apiKey: SecretKey(utf8: "the-key"))
        settings.baseURL = rig.baseURL
        let client = try DriveAPIClient(settings)
        let started = try answer { client.start(userId: "user 1", connectorId: Stage.castle, completion: $0) }
        let id = try #require(started.value.sessionId)
        try rig.pass(30)
        let session = try answer { client.session(userId: "user 1", sessionId: id, completion: $0) }
        #expect(session.value.status == .started)
        #expect(session.value.chargingKeyType == "virtual")
        _ = try answer { client.stop(userId: "user 1", sessionId: id, completion: $0) }
        try rig.pass(200)
        let page = try answer { client.history(userId: "user 1", HistoryQuery(), completion: $0) }
        #expect(page.value.sessions.first?.balanceStatus == "PAID")
        let receipt = try answer { client.receipt(userId: "user 1", sessionId: id, completion: $0) }
        #expect(receipt.value.url?.contains(id) == true)
        let body = session.value.observationBody(sessionId: id, userId: "user 1", sentAt: session.sentAt)
        #expect(try SessionEvent.decode(body, source: .driveApi).status == .started)
        client.close()
    }

    private func answer<Value: Sendable>(
        _ call: (@escaping DriveAPIClient.Completion<Value>) -> Void
    ) throws -> DriveAPIAnswer<Value> {
        let answers = Locked<Result<DriveAPIAnswer<Value>, DriveAPIError>?>(nil)
        let arrived = DispatchSemaphore(value: 0)
        call { result in
            answers.withLock { $0 = result }
            arrived.signal()
        }
        guard arrived.wait(timeout: .now() + 20) == .success, let result = answers.withLock({ $0 }) else {
            throw TestFailure(description: "no answer came")
        }
        return try result.get()
    }
}
