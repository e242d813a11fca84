internal import CLinux
internal import Glibc
internal import Synchronization

/// Ends a wait from another thread: something to poll that is readable once it has been raised.
///
/// Two uses, never both with one value: raised once and for good, when work is to end; or raised again and again and
/// cleared, when there is something to do.
package final class Interruption: Sendable {
    /// -1 where there was no descriptor left: then waits last until their deadline.
    let descriptor: Int32
    private let raised = Atomic(false)

    package init() {
        descriptor = clinux_eventfd()
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    package var isRaised: Bool { raised.load(ordering: .acquiring) }

    package func raise() {
        guard !raised.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    /// Makes it ready to be raised again. What was raised before must be looked for after this.
    func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
        raised.store(false, ordering: .sequentiallyConsistent)
    }
}
