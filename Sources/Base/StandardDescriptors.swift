internal import Glibc

/// The descriptors 0, 1 and 2, on which every program relies.
package enum StandardDescriptors {
    /// Opens `/dev/null` in place of those that are closed. The first thing that a program does: otherwise the next file
    /// that it opens is standard error to whoever writes there, and log lines end up in data (open(2) takes the lowest
    /// free number).
    ///
    /// - Returns: false where even that cannot be opened: the program must not go on then.
    package static func fill() -> Bool {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            guard open("/dev/null", O_RDWR) == descriptor else { return false }
        }
        return true
    }
}
