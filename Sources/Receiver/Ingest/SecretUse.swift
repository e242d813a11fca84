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
        fileprivate let isTold = Atomic(false)

        package var lastMicroseconds: Int64? {
            let last = last.load(ordering: .relaxed)
            return last == 0 ? nil : last
        }
    }

    package let current = Account()
    package let next = Account()
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
        }
    }

    private func note(_ account: Account, _ name: String, _ now: Int64) {
        account.count.increment()
        account.last.store(now, ordering: .relaxed)
        if !account.isTold.load(ordering: .relaxed), !account.isTold.exchange(true, ordering: .relaxed) {
            logger.notice(
                "callbacks are signed with a secret that was not seen before", metadata: ["secret": "\(name)"])
        }
    }

    /// The secrets may be others from now on; the counts go on, as counters do.
    func beginAnew() {
        for account in [current, next] {
            account.last.store(0, ordering: .relaxed)
            account.isTold.store(false, ordering: .relaxed)
        }
    }
}
