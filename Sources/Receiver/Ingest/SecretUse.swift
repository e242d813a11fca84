package import Base
import Logging
import Synchronization
import WebhookSecurity

/// Which secret callbacks are signed with: it tells when a rotation is through. Since the start of the process.
package final class SecretUse: Sendable {
    /// Callbacks that one secret has verified.
    package final class Account: Sendable {
        package let count = Counter()
        /// Microseconds since 1970; 0: never.
        fileprivate let last = Atomic<Int64>(0)
        fileprivate let first = Atomic<Int64>(0)
        fileprivate let isTold = Atomic(false)

        fileprivate var seen: Seen {
            Seen(
                first: first.load(ordering: .relaxed), last: last.load(ordering: .relaxed),
                isTold: isTold.load(ordering: .relaxed))
        }

        fileprivate func resume(_ seen: Seen) {
            first.store(seen.first, ordering: .relaxed)
            last.store(seen.last, ordering: .relaxed)
            isTold.store(seen.isTold, ordering: .relaxed)
        }

        package var lastMicroseconds: Int64? {
            let last = last.load(ordering: .relaxed)
            return last == 0 ? nil : last
        }
    }

    /// What is known of a secret, apart from counts.
    fileprivate struct Seen {
        var first: Int64 = 0
        var last: Int64 = 0
        var isTold = false
    }

    /// For so long callbacks have to come under NEXT, and none under CURRENT, before CURRENT may go: upstream's senders need
    /// not rotate all at once.
    package static let quietSeconds: Int64 = 600

    package let current = Account()
    package let next = Account()
    /// Callbacks that were signed with neither.
    package let neither = Account()
    /// Callbacks that an agreed header alone has verified.
    private let byHeader = Account()
    private let logger: Logger

    init(_ logger: Logger) {
        self.logger = logger
    }

    /// A callback was found authentic.
    func note(_ means: CallbackAuthentication.Means, atMicroseconds now: Int64) {
        if means.contains(.currentSecret) {
            note(current, "CURRENT", now)
        } else if means.contains(.nextSecret) {
            note(next, "NEXT", now)
        } else {
            byHeader.last.store(now, ordering: .relaxed)
        }
    }

    /// A callback was signed with a secret that is not known here, or had another value in an agreed header.
    func noteWrong(atMicroseconds now: Int64) {
        neither.count.increment()
        neither.last.store(now, ordering: .relaxed)
    }

    /// Whether the newest callbacks are refused, and none is let in: it is rather a secret that is wrong here than a stranger.
    var isWrongHere: Bool {
        guard let wrong = neither.lastMicroseconds else { return false }
        return [current, next, byHeader].allSatisfy { $0.lastMicroseconds ?? 0 < wrong }
    }

    private func note(_ account: Account, _ name: String, _ now: Int64) {
        account.count.increment()
        if account.first.load(ordering: .relaxed) == 0 { account.first.store(now, ordering: .relaxed) }
        account.last.store(now, ordering: .relaxed)
        if !account.isTold.load(ordering: .relaxed), !account.isTold.exchange(true, ordering: .relaxed) {
            logger.notice(
                "callbacks are signed with a secret that was not seen before", metadata: ["secret": "\(name)"])
        }
    }

    /// Whether callbacks are signed with NEXT alone: for ``quietSeconds`` of the callbacks' own times none was signed with
    /// CURRENT.
    var isRotationThrough: Bool {
        guard let last = next.lastMicroseconds else { return false }
        let since = max(next.seen.first, current.lastMicroseconds ?? 0)
        return last - since >= Self.quietSeconds * 1_000_000
    }

    /// The secrets may be others from now on. What is known of one that stays, or that becomes CURRENT, stays known; the
    /// counts go on, as counters do.
    func secretsChanged(from old: CallbackAuthenticator, to new: CallbackAuthenticator) {
        let (old, new) = (old.secretMarks, new.secretMarks)
        let known = [(old.current, current.seen), (old.next, next.seen)]
        for (account, mark) in [(current, new.current), (next, new.next)] {
            account.resume(known.first { $0.0 != nil && $0.0 == mark }?.1 ?? Seen())
        }
        // Of what was refused nobody knows what it would be now.
        neither.resume(Seen())
    }
}
