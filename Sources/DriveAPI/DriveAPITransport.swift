package import Base
internal import Dispatch
internal import Glibc
package import HTTPClient
internal import SessionModel

/// One connection to the API. Blocking; used by one thread at a time.
package protocol DriveAPITransport {
    /// - Parameter isFresh: the connection must not be one that may have been closed meanwhile: with a call that can't
    ///   be repeated, an answer that does not come would leave open whether it had an effect.
    func send(_ request: ClientRequest, withinSeconds: Double, isFresh: Bool) throws(HTTPClientError) -> ClientResponse
}

/// The connection that counts.
final class HTTPTransport: DriveAPITransport {
    private let connection: HTTPConnection

    init(_ endpoint: Endpoint, _ settings: DriveAPISettings) {
        var options = ClientOptions()
        options.connectSeconds = settings.connectSeconds
        options.responseSeconds = settings.answerSeconds
        options.bodyBytesMax = settings.answerBytesMax
        connection = HTTPConnection(endpoint, options: options)
    }

    func send(
        _ request: ClientRequest, withinSeconds: Double, isFresh: Bool
    ) throws(HTTPClientError) -> ClientResponse {
        if isFresh { connection.close() }
        return try connection.send(request, withinSeconds: withinSeconds)
    }
}

/// The clocks and timers that the client runs on; another one in tests.
package protocol DriveAPIClock: Sendable {
    func now() -> Instant
    /// Of the monotonic clock.
    func nanoseconds() -> UInt64
    /// Runs `work` at that time of the monotonic clock, or soon after.
    func schedule(at nanoseconds: UInt64, _ work: @escaping @Sendable () -> Void)
}

package struct SystemDriveAPIClock: DriveAPIClock {
    private let queue = DispatchQueue(label: "chargefold.drive-api.timer")

    private let wallClock: @Sendable () -> Instant

    /// - Parameter now: the wall clock.
    package init(now: @escaping @Sendable () -> Instant = SystemClock.now) {
        wallClock = now
    }

    package func now() -> Instant { wallClock() }

    package func nanoseconds() -> UInt64 { SystemClock.monotonicNanoseconds() }

    package func schedule(at nanoseconds: UInt64, _ work: @escaping @Sendable () -> Void) {
        let now = self.nanoseconds()
        let delay = nanoseconds > now ? nanoseconds - now : 0
        queue.asyncAfter(deadline: .now() + .nanoseconds(Int(clamping: delay)), execute: work)
    }
}
