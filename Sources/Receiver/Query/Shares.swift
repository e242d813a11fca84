import Base
package import SessionModel

/// Who a request comes from, as far as its token tells.
package enum Principal: Hashable, Sendable {
    /// Nobody in particular: reading is open to everybody.
    case anonymous
    /// A token of the configuration, by its name.
    case token(String)
    /// The user of a minted token.
    case user(SessionKey)
}

/// Something bounded that is handed out by principal: nobody gets so much of it that there is none left for others. What is
/// taken is given back when the last reference to the ``Share`` goes.
final class Shares: Sendable {
    private let held = Locked<[Principal: Int]>([:])

    /// - Parameter most: how many the principal may hold.
    /// - Returns: nil where it holds as many already.
    func take(_ principal: Principal, atMost most: Int) -> Share? {
        let isFree = held.withLock { held in
            guard held[principal, default: 0] < most else { return false }
            held[principal, default: 0] += 1
            return true
        }
        return isFree ? Share { [self] in giveBack(principal) } : nil
    }

    private func giveBack(_ principal: Principal) {
        held.withLock { held in
            let left = (held[principal] ?? 1) - 1
            held[principal] = left > 0 ? left : nil
        }
    }
}

/// One of what ``Shares`` hand out; given back when it is let go.
final class Share: Sendable {
    private let giveBack: @Sendable () -> Void

    init(_ giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }

    deinit { giveBack() }
}
