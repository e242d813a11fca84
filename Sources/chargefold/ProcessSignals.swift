import Dispatch
import Glibc

/// SIGTERM, SIGINT and SIGHUP, taken by a thread that waits for them (sigwait(3)). From the making of it on they wait for
/// that, in every thread that is started afterwards: it is made first. Not by Dispatch's sources, which lose a signal now and
/// then on Linux.
struct ProcessSignals {
    private static let names = [SIGTERM: "SIGTERM", SIGINT: "SIGINT", SIGHUP: "SIGHUP"]
    private var set = sigset_t()

    init() {
        // Writing to a closed pipe is an error value here, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        sigemptyset(&set)
        for number in Self.names.keys {
            // What is ignored, as a shell has it for what runs in the background, would never be waited for.
            signal(number, SIG_DFL)
            sigaddset(&set, number)
        }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// The names of the signals that arrive. After a SIGTERM or SIGINT the next one ends the process at once. To be called once.
    func arrivals() -> AsyncStream<String> {
        let (names, continuation) = AsyncStream.makeStream(of: String.self)
        DispatchQueue(label: "chargefold.signals").async { [set] in
            var (set, number) = (set, Int32(0))
            while number != SIGTERM, number != SIGINT {
                guard sigwait(&set, &number) == 0, let name = Self.names[number] else { continue }
                continuation.yield(name)
            }
            sigdelset(&set, SIGHUP)
            pthread_sigmask(SIG_UNBLOCK, &set, nil)
            // This thread takes the next one.
            while true { pause() }
        }
        return names
    }
}
