import Base
import Glibc
import Synchronization

/// A directory of its own for a test; goes, with what is in it, when the value goes.
final class Workspace: Sendable {
    let path: String
    private let counter = Atomic(0)

    init() {
        var template = Array("/tmp/chargefold-command-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp/chargefold-command-failed"
    }

    deinit { Self.remove(path) }

    func file(_ name: String) -> String { path + "/" + name }

    func nextNumber() -> Int { counter.wrappingAdd(1, ordering: .relaxed).newValue }

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

    static func write(_ content: [UInt8], to path: String, mode: mode_t = 0o600) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        defer { close(descriptor) }
        var rest = content[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }

    static func write(_ content: String, to path: String, mode: mode_t = 0o600) {
        write(Array(content.utf8), to: path, mode: mode)
    }

    private static func remove(_ path: String) {
        for name in FileSystem.names(in: path) {
            let entry = path + "/" + name
            if unlink(entry) != 0 { remove(entry) }
        }
        rmdir(path)
    }
}
