internal import Base
internal import CCurl
internal import Glibc

/// What a load client shall do next.
package enum LoadNext: Sendable {
    /// The tag comes back with the request's outcome.
    case request(ClientRequest, tag: UInt64)
    /// Nothing yet: ask again after this long.
    case wait(nanoseconds: UInt64)
    /// No more. Requests in flight are still waited for.
    case end
}

/// Where a load client gets its requests, and where the outcomes go. All calls come from the thread that runs it.
package protocol LoadDelegate: AnyObject {
    func next() -> LoadNext
    /// - Parameter latencyNanoseconds: from the start of the request to the last byte of the response.
    func received(_ response: ClientResponse, tag: UInt64, latencyNanoseconds: UInt64)
    /// No response, although the request may have been sent.
    func failed(tag: UInt64, _ error: HTTPClientError)
}

/// Sends requests over many connections at once from one thread: one of libcurl's multi handles, each connection with
/// one request in flight. (With `curl_multi_socket_action` on an `epoll` a request cost no less, at 64 connections.)
package final class LoadClient {
    private final class Lane {
        let transfer: Transfer
        var tag: UInt64 = 0
        var startedAt: UInt64 = 0

        init(_ transfer: Transfer) { self.transfer = transfer }
    }

    private let delegate: any LoadDelegate
    private let multi: UnsafeMutableRawPointer
    private var idle: [Lane] = []
    private var busy: [UnsafeMutableRawPointer: Lane] = [:]
    /// In nanoseconds of the monotonic clock.
    private var askAgainAt: UInt64?
    private var isEnded = false
    /// Why requests can't be sent any more.
    private var failure: HTTPClientError?

    /// - Parameter connections: requests in flight at most.
    package init(
        _ endpoint: Endpoint, connections: Int, delegate: any LoadDelegate, options: ClientOptions = ClientOptions()
    ) throws(HTTPClientError) {
        self.delegate = delegate
        for _ in 0..<max(1, connections) { idle.append(Lane(try Transfer(endpoint, options))) }
        guard let multi = curl_multi_init() else { throw HTTPClientError(.ioFailed, "libcurl can't begin") }
        self.multi = multi
        ccurl_multi_keep_connections(multi, 1)
    }

    deinit {
        for easy in busy.keys { curl_multi_remove_handle(multi, easy) }
        curl_multi_cleanup(multi)
    }

    /// Works until the delegate has no more requests and all outcomes are in.
    ///
    /// - Throws: when the server can't be reached (any more). A request that could not be sent has no other outcome.
    package func run() throws(HTTPClientError) {
        while true {
            fill()
            guard !busy.isEmpty || !isEnded else { break }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            if !collect() { curl_multi_poll(multi, nil, 0, waitMilliseconds, nil) }
        }
        if let failure { throw failure }
    }

    /// Gives requests to idle connections, as long as there are both.
    private func fill() {
        while !isEnded, let lane = idle.last {
            if let askAgainAt, SystemClock.monotonicNanoseconds() < askAgainAt { return }
            askAgainAt = nil
            switch delegate.next() {
            case .end: isEnded = true
            case .wait(let nanoseconds): askAgainAt = SystemClock.monotonicNanoseconds() + max(1, nanoseconds)
            case .request(let request, let tag):
                do throws(HTTPClientError) {
                    try lane.transfer.prepare(request)
                } catch {
                    delegate.failed(tag: tag, error)
                    continue
                }
                idle.removeLast()
                (lane.tag, lane.startedAt) = (tag, SystemClock.monotonicNanoseconds())
                busy[lane.transfer.easy] = lane
                curl_multi_add_handle(multi, lane.transfer.easy)
            }
        }
    }

    /// Reports what has ended.
    ///
    /// - Returns: whether anything has.
    private func collect() -> Bool {
        let before = idle.count
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left)?.pointee {
            guard message.msg == CURLMSG_DONE, let easy = message.easy_handle, let lane = busy.removeValue(forKey: easy)
            else { continue }
            let outcome = lane.transfer.end(message.data.result)
            curl_multi_remove_handle(multi, easy)
            idle.append(lane)
            switch outcome {
            case .success(let response):
                delegate.received(
                    response, tag: lane.tag, latencyNanoseconds: SystemClock.monotonicNanoseconds() - lane.startedAt)
            case .failure(let error) where error.mayHaveBeenSent: delegate.failed(tag: lane.tag, error)
            case .failure(let error): (failure, isEnded) = (error, true)
            }
        }
        return idle.count > before
    }

    private var waitMilliseconds: Int32 {
        guard let askAgainAt else { return 1000 }
        let now = SystemClock.monotonicNanoseconds()
        return askAgainAt <= now ? 0 : Int32(clamping: min(1000, (askAgainAt - now + 999_999) / 1_000_000))
    }
}
