internal import Glibc

/// The sockets that whoever started this process has opened for it, by systemd's protocol (sd_listen_fds(3)): `LISTEN_PID`
/// is the process that they are for, `LISTEN_FDS` their number; they begin at descriptor 3.
///
/// With them a restart refuses nobody: the socket stays open while no process has it, and connections wait in it.
package enum PassedSockets {
    package struct Malformed: Error, CustomStringConvertible {
        package let description: String
    }

    private static let firstDescriptor: Int32 = 3
    private static let countMax: Int32 = 64

    /// The descriptors, none where nothing was passed to this process. Once: the variables are removed, so that a child
    /// of this process does not take them for its own, and so is the descriptors' inheritance.
    package static func take() throws(Malformed) -> [Int32] {
        defer { for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) } }
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        guard let pid = variable("LISTEN_PID"), let count = variable("LISTEN_FDS"), Int32(pid) == getpid() else {
            return []
        }
        guard let count = Int32(count), 0...countMax ~= count else {
            throw Malformed(description: "LISTEN_FDS is no number from 0 to \(countMax): \(count.prefix(20))")
        }
        let descriptors = (0..<count).map { firstDescriptor + $0 }
        for descriptor in descriptors where fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0 {
            throw Malformed(description: "LISTEN_FDS is \(count), but descriptor \(descriptor) is not open")
        }
        return descriptors
    }
}
