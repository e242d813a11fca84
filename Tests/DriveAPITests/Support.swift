import Base
import Dispatch
import DriveAPI
import HTTPClient
import SessionModel
import WebhookSecurity

struct TestFailure: Error, CustomStringConvertible {
    let description: String
}

/// A clock that only moves when told to, and runs what was scheduled when its time has come.
final class ManualClock: DriveAPIClock {
    private struct State {
        var nanoseconds: UInt64 = 1_000_000_000
        var scheduled: [(at: UInt64, work: @Sendable () -> Void)] = []
    }

    private let state = Locked(State())
    private let arrived = DispatchSemaphore(value: 0)

    func now() -> Instant { Instant(seconds: 1_750_000_000, nanoseconds: 123_000_000) }
    func nanoseconds() -> UInt64 { state.withLock { $0.nanoseconds } }

    func schedule(at nanoseconds: UInt64, _ work: @escaping @Sendable () -> Void) {
        state.withLock { $0.scheduled.append((nanoseconds, work)) }
        arrived.signal()
    }

    /// Waits until something has been scheduled, moves the clock there, and runs it.
    ///
    /// - Returns: how far the clock had to move, in nanoseconds.
    @discardableResult
    func runNext() throws -> UInt64 {
        guard arrived.wait(timeout: .now() + 20) == .success else {
            throw TestFailure(description: "nothing was scheduled")
        }
        let (moved, work) = state.withLock { state in
            let index = state.scheduled.indices.min { state.scheduled[$0].at < state.scheduled[$1].at } ?? 0
            let (time, work) = state.scheduled.remove(at: index)
            let before = state.nanoseconds
            state.nanoseconds = max(before, time)
            return (state.nanoseconds - before, work)
        }
        work()
        return moved
    }

    func advance(seconds: Double) {
        state.withLock { $0.nanoseconds += UInt64(seconds * 1e9) }
    }

    var scheduledCount: Int { state.withLock { $0.scheduled.count } }
}

/// Answers by a script; no sockets.
final class ScriptedAPI: Sendable {
    typealias Reply = Result<ClientResponse, HTTPClientError>

    private struct State {
        var replies: [Reply] = []
        var requests: [ClientRequest] = []
        var wasFresh: [Bool] = []
        var waiting = 0
    }

    private let state = Locked(State())
    /// Where given, every request waits for a signal before it is answered.
    let gate: DispatchSemaphore?
    let arrived = DispatchSemaphore(value: 0)

    init(_ replies: [Reply], gate: DispatchSemaphore? = nil) {
        self.gate = gate
        state.withLock { $0.replies = replies }
    }

    var requests: [ClientRequest] { state.withLock { $0.requests } }
    var wasFresh: [Bool] { state.withLock { $0.wasFresh } }

    func transport() -> sending Transport { Transport(api: self) }

    struct Transport: DriveAPITransport {
        let api: ScriptedAPI

        func send(
            _ request: ClientRequest, withinSeconds: Double, isFresh: Bool
        ) throws(HTTPClientError) -> ClientResponse {
            let reply: Reply = api.state.withLock { state in
                state.requests.append(request)
                state.wasFresh.append(isFresh)
                return state.replies.isEmpty
                    ? .failure(HTTPClientError(.connectionFailed, "the script is at its end"))
                    : state.replies.removeFirst()
            }
            api.arrived.signal()
            api.gate?.wait()
            return try reply.get()
        }
    }
}

func reply(_ status: Int, _ body: String = "{}", _ fields: [(name: String, value: String)] = []) -> ScriptedAPI.Reply {
    .success(ClientResponse(status: status, fields: fields, body: Array(body.utf8)))
}

func broken(_ code: HTTPClientError.Code) -> ScriptedAPI.Reply {
    .failure(HTTPClientError(code, "as the script says"))
}

/// Values handed from a client's queues to a test.
final class Mailbox<Value: Sendable>: Sendable {
    private let values = Locked<[Value]>([])
    private let semaphore = DispatchSemaphore(value: 0)

    func put(_ value: Value) {
        values.withLock { $0.append(value) }
        semaphore.signal()
    }

    func take() throws -> Value {
        guard semaphore.wait(timeout: .now() + 20) == .success else {
            throw TestFailure(description: "nothing was put")
        }
        return values.withLock { $0.removeFirst() }
    }

    var isEmpty: Bool { values.withLock { $0.isEmpty } }
}

final class Recorder: DriveAPIObserver {
    let reports = Mailbox<DriveAPICallReport>()
    let states = Mailbox<String>()

    func driveAPICallEnded(_ report: DriveAPICallReport) { reports.put(report) }
    func driveAPIBreakerChanged(to state: CircuitBreaker.State) { states.put(state.name.description) }
}

func settings(_ change: (inout DriveAPISettings) -> Void = { _ in }) throws -> DriveAPISettings {
    guard let key = SecretKey(utf8: "the-key") else { throw TestFailure(description: "no key") }
    var settings = DriveAPISettings(apiKey: key)
    settings.concurrency = 1
    change(&settings)
    return settings
}
