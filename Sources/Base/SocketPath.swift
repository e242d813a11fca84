internal import CLinux
internal import Glibc

/// The path of a Unix-domain socket, short enough for the kernel.
///
/// An address has room for 107 bytes (`sun_path`, unix(7)); paths of files may have 4,095. A longer one is shortened by
/// way of an open descriptor of its directory, `/proc/self/fd/N/name`, which holds for as long as the value lives. For
/// `bind` and `connect` alone: whatever else is done with the file goes by its own path.
package final class SocketPath: Sendable {
    /// The longest path that an address has room for, in bytes.
    package static let bytesMax = 107

    /// What to hand to `bind` or `connect`.
    package let text: String
    /// -1 where the path is short enough as it is.
    private let directory: Int32

    /// Whatever cannot be shortened stays as it is, so that the call that takes it says what is wrong with it.
    package init(_ path: String) {
        guard path.utf8.count > Self.bytesMax, let (folder, name) = Self.split(path) else {
            (text, directory) = (path, -1)
            return
        }
        let descriptor = clinux_open_path_of_directory(folder)
        guard descriptor >= 0 else {
            (text, directory) = (path, -1)
            return
        }
        (text, directory) = ("/proc/self/fd/\(descriptor)/\(name)", descriptor)
    }

    deinit {
        if directory >= 0 { close(directory) }
    }

    private static func split(_ path: String) -> (folder: String, name: String)? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        let name = path[path.index(after: slash)...]
        return name.isEmpty ? nil : (String(path[...slash]), String(name))
    }
}
