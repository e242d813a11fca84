import Dispatch
import DriveAPI
import HTTPClient
import SessionModel
import Testing

/// One user's calls do not make another's wait, whatever becomes of them.
@Suite struct FairnessTests {
    private let clock = ManualClock()
    private let recorder = Recorder()

    private func client(
        _ api: ScriptedAPI, _ change: (inout DriveAPISettings) -> Void
    ) throws -> DriveAPIClient {
        try DriveAPIClient(
            try settings {
                $0.retry.attemptsMax = 1
                change(&$0)
            }, observer: recorder, clock: clock, seed: 7
        ) {
            api.transport()
        }
    }

    /// What came of a call.
    private typealias Answer = Mailbox<DriveAPIError?>

    private func ask(
        _ client: DriveAPIClient, _ user: String, _ id: String = "s", _ priority: DriveAPIPriority = .interactive
    ) -> Answer {
        let answers = Answer()
        client.session(userId: user, sessionId: id, priority: priority) { answers.put($0.failure) }
        return answers
    }

    private func stop(_ client: DriveAPIClient, _ user: String) -> Answer {
        let answers = Answer()
        client.stop(userId: user, sessionId: "s") { answers.put($0.failure) }
        return answers
    }

    private static let fine = reply(200, #"{"sessionStatus":"STARTED"}"#)

    @Test func `a user with slow calls has as many connections as are one user's`() throws {
        let gate = DispatchSemaphore(value: 0)
        let api = ScriptedAPI(Array(repeating: Self.fine, count: 20), gate: gate)
        let client = try client(api) { $0.concurrency = 8 }
        let slow = (0..<8).map { ask(client, "eve", "e\($0)") }
        for _ in 0..<2 { api.arrived.wait() }
        let other = ask(client, "u")
        api.arrived.wait()
        // One who waits for an answer may still stop.
        let stops = ["eve", "u", "v"].map { stop(client, $0) }
        for _ in stops { api.arrived.wait() }
        #expect(api.requests.filter { $0.target.contains("/users/eve/sessions/e") }.count == 2)
        #expect(client.statistics.waiting == 6)
        for _ in 0..<12 { gate.signal() }
        for answers in slow + stops + [other] { #expect(try answers.take() == nil) }
    }

    @Test func `connections are left to stops, whoever has the others`() throws {
        let gate = DispatchSemaphore(value: 0)
        let api = ScriptedAPI(Array(repeating: Self.fine, count: 20), gate: gate)
        let client = try client(api) {
            $0.concurrency = 4
            $0.callsPerSecond = 100
        }
        let calls = (0..<9).map { ask(client, "u\($0)") } + (0..<9).map { ask(client, "b\($0)", "s", .background) }
        for _ in 0..<3 { api.arrived.wait() }
        let stopped = stop(client, "v")
        api.arrived.wait()
        #expect(api.requests.last?.target.hasSuffix("/users/v/sessions/s/stop") == true)
        for _ in 0..<19 { gate.signal() }
        for answers in calls + [stopped] { #expect(try answers.take() == nil) }
    }

    @Test func `background calls leave connections to drivers`() throws {
        let gate = DispatchSemaphore(value: 0)
        let api = ScriptedAPI(Array(repeating: Self.fine, count: 20), gate: gate)
        let client = try client(api) { $0.concurrency = 4 }
        let background = (0..<6).map { ask(client, "b\($0)", "s", .background) }
        for _ in 0..<2 { api.arrived.wait() }
        let driver = ask(client, "u")
        api.arrived.wait()
        #expect(api.requests.last?.target.contains("/users/u/") == true)
        for _ in 0..<7 { gate.signal() }
        for answers in background + [driver] { #expect(try answers.take() == nil) }
    }

    @Test func `stops go first, and users take turns`() throws {
        let gate = DispatchSemaphore(value: 0)
        let api = ScriptedAPI(Array(repeating: Self.fine, count: 20), gate: gate)
        let client = try client(api) { $0.concurrency = 1 }
        var calls = [ask(client, "eve", "1")]
        api.arrived.wait()
        calls += (2...4).map { ask(client, "eve", "\($0)") } + [ask(client, "u", "5"), stop(client, "v")]
        for _ in 0..<6 { gate.signal() }
        for answers in calls { #expect(try answers.take() == nil) }
        #expect(
            api.requests.map { $0.target.split(separator: "/").suffix(3).joined(separator: "/") } == [
                "eve/sessions/1", "sessions/s/stop", "u/sessions/5", "eve/sessions/2", "eve/sessions/3",
                "eve/sessions/4",
            ])
    }

    @Test func `a search for chargers is a call of whoever asks, as any other`() throws {
        let gate = DispatchSemaphore(value: 0)
        let api = ScriptedAPI(Array(repeating: Self.fine, count: 20), gate: gate)
        let client = try client(api) { $0.concurrency = 8 }
        let searches = (0..<8).map { _ in search(client, "eve") }
        for _ in 0..<2 { api.arrived.wait() }
        let other = ask(client, "u")
        api.arrived.wait()
        #expect(api.requests.filter { $0.target.contains("geosearch") }.count == 2)
        #expect(client.statistics.waiting == 6)
        for _ in 0..<9 { gate.signal() }
        for answers in searches + [other] { #expect(try answers.take() == nil) }
    }

    private func search(_ client: DriveAPIClient, _ asker: String) -> Answer {
        let answers = Answer()
        client.geosearch(query: "", body: [], of: asker) { answers.put($0.failure) }
        return answers
    }

    // MARK: The breaker

    @Test func `searches that fail open nobody else's breaker`() throws {
        let api = ScriptedAPI(Array(repeating: reply(500), count: 5) + [Self.fine])
        let client = try client(api) { _ in }
        for _ in 0..<5 { #expect(try search(client, "eve").take()?.code == .upstreamFailed) }
        #expect(try search(client, "eve").take()?.code == .circuitOpen)
        #expect(client.statistics.breaker == .closed)
        #expect(try ask(client, "u").take() == nil)
    }

    @Test func `what fails for one user opens nobody else's breaker`() throws {
        let api = ScriptedAPI(Array(repeating: reply(500), count: 7) + [Self.fine, Self.fine])
        let client = try client(api) { _ in }
        for _ in 0..<5 { #expect(try ask(client, "eve").take()?.code == .upstreamFailed) }
        #expect(client.statistics.breaker == .closed)
        // Who fails is kept back alone, and may stop a session.
        #expect(try ask(client, "eve").take()?.code == .circuitOpen)
        for _ in 0..<2 { #expect(try stop(client, "eve").take()?.code == .upstreamFailed) }
        #expect(client.statistics.breaker == .closed)
        #expect(try ask(client, "u").take() == nil)
        clock.advance(seconds: 5)
        #expect(try ask(client, "eve").take() == nil)
        #expect(recorder.states.isEmpty)
    }

    @Test func `what fails for several users, or cannot be reached, opens it for all`() throws {
        for replies in [Array(repeating: reply(500), count: 5), Array(repeating: broken(.connectionFailed), count: 5)] {
            let isOfUsers = (try? replies[0].get()) != nil
            let client = try client(ScriptedAPI(replies)) { _ in }
            for number in 0..<5 { _ = try ask(client, isOfUsers ? "u\(number % 3)" : "u").take() }
            #expect(client.statistics.breaker != .closed)
            #expect(try stop(client, "v").take()?.code == .circuitOpen)
        }
    }

    @Test func `a probe that fails for one user lets another make the next one`() {
        var settings = CircuitBreaker.Settings()
        settings.failuresMax = 1
        var breaker = CircuitBreaker(settings)
        let (eve, u, v) = (SessionKey("eve"), SessionKey("u"), SessionKey("v"))
        func fail(_ user: SessionKey?, _ now: UInt64) -> Bool {
            guard let permit = breaker.admit(user, now: now) else { return false }
            breaker.record(permit, isOutage: true, of: user, now: now)
            return true
        }
        let second: UInt64 = 1_000_000_000
        #expect(fail(nil, 0))
        #expect(breaker.state == .open(until: 5 * second))
        #expect(fail(eve, 5 * second))
        #expect(!fail(eve, 6 * second))
        #expect(fail(u, 6 * second))
        #expect(!fail(u, 7 * second))
        // Three of three: it is the API.
        #expect(fail(v, 7 * second))
        #expect(breaker.state == .open(until: 17 * second))
        #expect(breaker.refusedFor(SessionKey("w"), now: 8 * second) == 9 * second)
        #expect(fail(eve, 17 * second))
        let permit = breaker.admit(u, now: 17 * second)
        #expect(permit.map { breaker.record($0, isOutage: false, of: u, now: 17 * second) } == true)
        #expect(breaker.state == .closed)
    }
}

extension Result where Failure == DriveAPIError {
    fileprivate var failure: DriveAPIError? {
        if case .failure(let error) = self { error } else { nil }
    }
}
