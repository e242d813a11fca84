internal import Base
internal import Synchronization

/// What is wrong now, if anything, by part of the store. Read on every readiness check, so it is one flag when all is well.
final class StoreHealth: Sendable {
    enum Part {
        /// Committing to the log.
        case log
        /// Folding what is committed.
        case fold
        /// Writing derived rows.
        case derived
    }

    private let ok = Atomic(true)
    private let errors = Locked<[Part: StoreError]>([:])

    var isGood: Bool { ok.load(ordering: .acquiring) }

    func error(_ part: Part) -> StoreError? {
        isGood ? nil : errors.withLock { $0[part] }
    }

    /// - Returns: whether this changed between good and bad (the moment to log it).
    func set(_ part: Part, _ error: StoreError?) -> Bool {
        if error == nil && isGood { return false }
        return errors.withLock { errors in
            let changed = (errors[part] == nil) != (error == nil)
            errors[part] = error
            ok.store(errors.isEmpty, ordering: .releasing)
            return changed
        }
    }
}
