import Glibc

/// A directory of its own for a test; goes, with what is in it, when the value goes.
final class TestDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/chargefold-receiver-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp/chargefold-receiver-failed"
    }

    deinit { Self.remove(path) }

    /// Short enough for a Unix socket.
    func file(_ name: String) -> String { path + "/" + name }

    /// The names in a directory, sorted.
    static func names(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func read(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count <= 0 { return content }
            content += chunk[..<count]
        }
    }

    private static func remove(_ path: String) {
        for name in names(path) {
            let entry = path + "/" + name
            if unlink(entry) != 0 { remove(entry) }
        }
        rmdir(path)
    }
}

extension TestDirectory {
    /// The permission bits of a file, 0 where there is none.
    static func mode(_ path: String) -> UInt32 {
        var information = stat()
        return stat(path, &information) == 0 ? information.st_mode & 0o777 : 0
    }
}
