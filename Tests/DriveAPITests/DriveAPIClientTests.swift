import Base
import Dispatch
import DriveAPI
import HTTPClient
import SessionModel
import Testing

@Suite struct DriveAPIClientTests {
    private let clock = ManualClock()
    private let recorder = Recorder()

    private func client(
        _ api: ScriptedAPI, _ change: (inout DriveAPISettings) -> Void = { _ in }
    ) throws -> DriveAPIClient {
        try DriveAPIClient(settings(change), observer: recorder, clock: clock, seed: 1) { api.transport() }
    }

    private func session(
        _ client: DriveAPIClient, _ id: String = "s1", _ priority: DriveAPIPriority = .interactive
    ) -> Mailbox<Result<DriveAPIAnswer<DriveSession>, DriveAPIError>> {
        let answers = Mailbox<Result<DriveAPIAnswer<DriveSession>, DriveAPIError>>()
        client.session(userId: "u 1", sessionId: id, priority: priority) { answers.put($0) }
        return answers
    }

    private func start(_ client: DriveAPIClient) -> Mailbox<Result<DriveAPIAnswer<StartAnswer>, DriveAPIError>> {
        let answers = Mailbox<Result<DriveAPIAnswer<StartAnswer>, DriveAPIError>>()
        client.start(userId: "u1", connectorId: "a/b+c==") { answers.put($0) }
        return answers
    }

    @Test func `a session comes with everything that the API said`() throws {
        let body = #"{"sessionStatus":"SOMETHING_NEW","sessionId":"s+1","energy":{"value":1840.50},"zzz":[1]}"#
        let api = ScriptedAPI([reply(200, body)])
        let answer = try session(try client(api), "s+1").take().get()
        #expect(answer.value.status == .other("SOMETHING_NEW"))
        #expect(
            answer.value.json.text
                == #"{"energy":{"value":1840.5},"sessionId":"s+1","sessionStatus":"SOMETHING_NEW","zzz":[1]}"#)
        #expect(answer.body == Array(body.utf8))
        #expect(answer.sentAt == clock.now())
        let request = try #require(api.requests.first)
        #expect(request.method == "GET")
        #expect(request.target == "/drive/v1/users/u%201/sessions/s%2B1")
        #expect(request.fields.contains { $0 == ("X-API-Key", "the-key") })
        #expect(try recorder.reports.take().attempts == 1)
    }

    @Test(arguments: [
        "", "[]", "null", "{}", #"{"sessionStatus":7}"#, #"{"sessionStatus":"STARTED","sessionId":"other"}"#, "<html>",
    ])
    func `an answer that is none is an error, not a session`(body: String) throws {
        let api = ScriptedAPI([reply(200, body)])
        let result = try session(try client(api)).take()
        #expect(throws: DriveAPIError.self) { try result.get() }
        if case .failure(let error) = result { #expect(error.code == .malformedAnswer) }
        #expect(api.requests.count == 1)
    }

    @Test(arguments: [
        broken(.connectionFailed), broken(.timedOut), broken(.closedBeforeResponse), broken(.closedWithinResponse),
        reply(500), reply(502), reply(503), reply(429),
    ]) func `a safe call is made again`(first: ScriptedAPI.Reply) throws {
        let api = ScriptedAPI([first, reply(200, #"{"sessionStatus":"STARTED"}"#)])
        let answers = session(try client(api))
        let waited = try clock.runNext()
        #expect(waited > 0 && waited <= 250_000_000)
        #expect(try answers.take().get().attempts == 2)
        #expect(try recorder.reports.take().attempts == 2)
    }

    @Test(arguments: [
        broken(.timedOut), broken(.closedBeforeResponse), broken(.closedWithinResponse), broken(.ioFailed), reply(500),
        reply(503), broken(.malformedResponse),
    ]) func `a start that may have arrived is never sent again`(first: ScriptedAPI.Reply) throws {
        let api = ScriptedAPI([first, reply(200, #"{"sessionId":"s1"}"#)])
        guard case .failure(let error) = try start(try client(api)).take() else {
            throw TestFailure(description: "no error")
        }
        #expect(error.mayHaveBeenSent)
        #expect(api.requests.count == 1)
        #expect(clock.scheduledCount == 0)
    }

    @Test(arguments: [broken(.connectionFailed), broken(.unresolvable), broken(.connectTimedOut), reply(429)])
    func `a start that can't have arrived is sent again`(first: ScriptedAPI.Reply) throws {
        let api = ScriptedAPI([first, reply(200, #"{"sessionId":"s1"}"#)])
        let answers = start(try client(api))
        try clock.runNext()
        #expect(try answers.take().get().value.sessionId == "s1")
        #expect(
            api.requests.map { String(decoding: $0.body, as: UTF8.self) } == [
                #"{"connectorId":"a/b+c=="}"#, #"{"connectorId":"a/b+c=="}"#,
            ])
        // Never on a connection that may have been closed meanwhile.
        #expect(api.wasFresh == [true, true])
        #expect(api.requests.allSatisfy { !$0.isRepeatable })
    }

    @Test(arguments: [broken(.tlsFailed), broken(.certificateRejected)])
    func `a server that can't be trusted has been sent nothing, and is not asked again`(
        first: ScriptedAPI.Reply
    ) throws {
        let api = ScriptedAPI([first, reply(200, #"{"sessionId":"s1"}"#)])
        guard case .failure(let error) = try start(try client(api)).take() else {
            throw TestFailure(description: "no error")
        }
        #expect(error.code == .untrusted)
        #expect(!error.mayHaveBeenSent)
        #expect(api.requests.count == 1)
        #expect(clock.scheduledCount == 0)
    }

    @Test func `3-D Secure is passed through`() throws {
        let api = ScriptedAPI([reply(200, #"{"threeDSClientSecret":"seti_x"}"#)])
        let answer = try start(try client(api)).take().get().value
        #expect(answer.sessionId == nil)
        #expect(answer.threeDSClientSecret == "seti_x")
    }

    @Test(arguments: [(400, DriveAPIError.Code.rejected), (401, .unauthorized), (403, .unauthorized), (404, .notFound)])
    func `a refusal is final, and keeps what the API said`(status: Int, code: DriveAPIError.Code) throws {
        let api = ScriptedAPI([reply(status, #"{"code":"X"}"#, [("content-type", "application/json")])])
        guard case .failure(let error) = try session(try client(api)).take() else {
            throw TestFailure(description: "no error")
        }
        #expect(error.code == code)
        #expect(error.status == status)
        #expect(error.body == Array(#"{"code":"X"}"#.utf8))
        #expect(error.contentType == "application/json")
        #expect(!error.mayHaveBeenSent)
        #expect(api.requests.count == 1)
    }

    @Test func `Retry-After is honoured, and too long a one ends the call`() throws {
        let api = ScriptedAPI([
            reply(503, "", [("Retry-After", "3")]), reply(429, "", [("Retry-After", "Sun, 15 Jun 2025 15:08:40 GMT")]),
        ])
        let answers = session(try client(api))
        let waited = try clock.runNext()
        #expect(waited >= 3_000_000_000 && waited < 3_200_000_000)
        // The date is two minutes ahead: beyond the deadline of 30 s.
        guard case .failure(let error) = try answers.take() else { throw TestFailure(description: "no error") }
        #expect(error.code == .rateLimited)
        #expect(error.retryAfterSeconds == 120)
    }

    @Test func `attempts end with the policy`() throws {
        let api = ScriptedAPI(Array(repeating: reply(500), count: 9))
        let answers = session(try client(api) { $0.retry.attemptsMax = 3 })
        try clock.runNext()
        try clock.runNext()
        guard case .failure(let error) = try answers.take() else { throw TestFailure(description: "no error") }
        #expect(error.status == 500)
        #expect(api.requests.count == 3)
    }

    @Test func `an outage opens the breaker: nothing is sent, until a probe finds the API again`() throws {
        let api = ScriptedAPI([reply(500), reply(500), reply(200, #"{"sessionStatus":"STARTED"}"#)])
        let client = try client(api) {
            $0.retry.attemptsMax = 1
            $0.breaker.failuresMax = 2
            $0.breaker.usersMin = 1
        }
        for _ in 0..<2 { _ = try session(client).take() }
        #expect(try recorder.states.take() == "open")
        guard case .failure(let error) = try session(client).take() else { throw TestFailure(description: "no error") }
        #expect(error.code == .circuitOpen)
        #expect(error.retryAfterSeconds == 6)
        #expect(api.requests.count == 2)
        clock.advance(seconds: 5)
        _ = try session(client).take().get()
        #expect(try recorder.states.take() == "closed")
        #expect(client.statistics.attempts == [.session: 3])
    }

    @Test func `interactive calls go first, the queue is bounded, and closing ends what waits`() throws {
        let gate = DispatchSemaphore(value: 0)
        let api = ScriptedAPI(Array(repeating: reply(200, #"{"sessionStatus":"STARTED"}"#), count: 9), gate: gate)
        let client = try client(api) { $0.queueMax = 2 }
        let first = session(client, "first", .background)
        api.arrived.wait()
        let background = session(client, "background", .background)
        let interactive = session(client, "interactive", .interactive)
        guard case .failure(let error) = try session(client).take() else { throw TestFailure(description: "no error") }
        #expect(error.code == .overloaded)
        #expect(client.statistics.waiting == 2)
        gate.signal()
        _ = try first.take().get()
        api.arrived.wait()
        #expect(api.requests.map { $0.target.split(separator: "/").last } == ["first", "interactive"])
        client.close()
        guard case .failure(let closed) = try background.take() else { throw TestFailure(description: "no error") }
        #expect(closed.code == .closed)
        gate.signal()
        _ = try interactive.take().get()
        guard case .failure(let late) = try session(client).take() else { throw TestFailure(description: "no error") }
        #expect(late.code == .closed)
    }

    @Test func `a driver is told in time, also where every connection hangs`() throws {
        let gate = DispatchSemaphore(value: 0)
        let api = ScriptedAPI([reply(200, #"{"sessionStatus":"STARTED"}"#)], gate: gate)
        let client = try client(api)
        let first = session(client)
        api.arrived.wait()
        let second = session(client)
        #expect(try clock.runNext() == 30_000_000_000)
        guard case .failure(let error) = try second.take() else { throw TestFailure(description: "no error") }
        #expect(error.code == .timedOut)
        #expect(!error.mayHaveBeenSent)
        gate.signal()
        _ = try first.take().get()
    }

    @Test func `background calls keep to the rate, drivers do not wait for it`() throws {
        let api = ScriptedAPI(Array(repeating: reply(200, #"{"sessionStatus":"STARTED"}"#), count: 9))
        let client = try client(api) { $0.callsPerSecond = 1 }
        _ = try session(client, "a", .background).take().get()
        let second = session(client, "b", .background)
        _ = try session(client, "c", .interactive).take().get()
        #expect(second.isEmpty)
        // The driver's call counts, so the other one waits a second longer: the first timer finds nothing to do.
        try clock.runNext()
        #expect(second.isEmpty)
        try clock.runNext()
        _ = try second.take().get()
        #expect(clock.nanoseconds() == 3_000_000_000)
    }

    @Test func `history, receipt, payment and search ask as documented`() throws {
        let api = ScriptedAPI([
            reply(200, #"{"sessions":[{"sessionId":"a"}],"cursor":"next","count":2}"#),
            reply(200, "https://receipts.example/r?s=1\n"), reply(200, ""), reply(200, #"{"locations":[]}"#),
        ])
        let client = try client(api) {
            $0.baseURL = "http://api.example/base/"
            if let path = PathTemplate("POST /v2/pay/{sessionId}") { $0.retryPaymentPath = path }
        }
        var query = HistoryQuery()
        query.statuses = [.complete, .other("NEW")]
        query.startTime = Instant(seconds: 0)
        query.cursor = "c"
        query.limit = 10
        let pages = Mailbox<HistoryPage?>()
        client.history(userId: "u1", query, priority: .interactive) { pages.put(try? $0.get().value) }
        let page = try #require(try pages.take())
        #expect(page.sessions.map(\.sessionId) == ["a"])
        #expect(page.cursor == "next")
        #expect(
            String(decoding: api.requests[0].body, as: UTF8.self)
                == #"{"sessionStatus":["COMPLETE","NEW"],"cursor":"c","startTime":"1970-01-01T00:00:00Z","limit":10}"#)

        let urls = Mailbox<String?>()
        client.receipt(userId: "u1", sessionId: "s1") { urls.put(try? $0.get().value.url) }
        #expect(try urls.take() == "https://receipts.example/r?s=1")
        let payments = Mailbox<Bool>()
        client.retryPayment(userId: "u1", sessionId: "s{userId}") { payments.put((try? $0.get()) != nil) }
        #expect(try payments.take())
        let places = Mailbox<String?>()
        client.geosearch(
            query: "latitude=52.290056&longitude=20.907028&distance=500", body: Array("{}".utf8), of: "u1"
        ) {
            places.put(try? $0.get().value.text)
        }
        #expect(try places.take() == #"{"locations":[]}"#)
        #expect(
            api.requests.map { "\($0.method) \($0.target)" } == [
                "POST /base/v1/users/u1/sessions/history", "GET /base/v1/users/u1/sessions/s1/receipt",
                "POST /base/v2/pay/s%7BuserId%7D",
                "POST /base/v1/geosearch/radius?latitude=52.290056&longitude=20.907028&distance=500",
            ])
    }

    @Test(arguments: ["..", ".", "../../admin", "a/b", "a\\b", "%2e%2e", "a%2Fb", "a\0"])
    func `an id that leads elsewhere is asked about by no call`(id: String) throws {
        let api = ScriptedAPI([])
        let client = try client(api)
        let codes = Mailbox<DriveAPIError.Code?>()
        @Sendable func note<Value>(_ result: Result<DriveAPIAnswer<Value>, DriveAPIError>) {
            if case .failure(let error) = result { codes.put(error.code) } else { codes.put(nil) }
        }
        for (user, session) in [("u", id), (id, "s")] {
            client.session(userId: user, sessionId: session) { note($0) }
            client.stop(userId: user, sessionId: session) { note($0) }
            client.receipt(userId: user, sessionId: session) { note($0) }
            client.retryPayment(userId: user, sessionId: session) { note($0) }
        }
        client.start(userId: id, connectorId: "c") { note($0) }
        client.history(userId: id, HistoryQuery()) { note($0) }
        for _ in 0..<10 { #expect(try codes.take() == .invalidRequest) }
        #expect(api.requests.isEmpty)
    }

    @Test(arguments: [
        "", "GET", "GET receipt", "DELETE /v1/{sessionId}", "GET /v1/{userId}", "GET /v1/{sessionId}/{x}",
    ])
    func `templates that can't work are refused`(text: String) {
        #expect(PathTemplate(text) == nil)
    }

    @Test(arguments: ["ftp://x", "http://", "https://user@x/", "https://x/drive?a=b"])
    func `base URLs that can't work are refused`(url: String) {
        #expect(throws: DriveAPIError.self) { try DriveAPIClient.basePath(of: url) }
    }

    @Test func `nothing that can be logged holds the key`() throws {
        let api = ScriptedAPI([broken(.connectionFailed)])
        let client = try client(api) { $0.retry.attemptsMax = 1 }
        guard case .failure(let error) = try session(client).take() else { throw TestFailure(description: "no error") }
        #expect(!"\(error) \(client.statistics)".contains("the-key"))
        #expect(!"\(try settings())".contains("the-key"))
    }
}
