internal import Base
internal import Glibc

/// A directory of its own for a test; goes when the tests end, because what works in it may outlive the values that
/// name it.
package struct TemporaryDirectory: Sendable {
    package let path: String

    private static let all = Locked<[String]>([])

    package init() {
        var template = Array("/tmp/chargefold-test-XXXXXX".utf8CString)
        let path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp/chargefold-test-failed"
        self.path = path
        let isFirst = Self.all.withLock { all in
            all.append(path)
            return all.count == 1
        }
        if isFirst {
            atexit {
                for path in TemporaryDirectory.all.withLock({ $0 }) { TemporaryDirectory.remove(path) }
            }
        }
    }

    package func file(_ name: String) -> String { path + "/" + name }

    /// The names of what is in it, sorted.
    package var names: [String] { Self.names(path).sorted() }

    /// The files as they are now, as a crash would leave them: nothing is closed, and the WAL index is gone.
    package func copyAsAfterCrash() -> TemporaryDirectory {
        let copy = TemporaryDirectory()
        for folder in Self.folders(path) { mkdir(copy.file(folder), 0o700) }
        for name in Self.names(path) where !name.hasSuffix("-shm") && name != "lock" {
            Self.write(Self.read(file(name)), to: copy.file(name))
        }
        return copy
    }

    /// Whether the bytes of `text` are in any file.
    package func holds(_ text: String) -> Bool { !files(holding: text).isEmpty }

    /// The files that hold the bytes of `text` anywhere.
    package func files(holding text: String) -> [String] {
        let needle = Array(text.utf8)
        return names.filter { name in
            let bytes = Self.read(file(name))
            return bytes.withUnsafeBytes { Self.holds($0, needle) }
        }
    }

    private static func holds(_ bytes: UnsafeRawBufferPointer, _ needle: [UInt8]) -> Bool {
        guard var place = bytes.baseAddress, let first = needle.first else { return false }
        let end = place + bytes.count
        while end - place >= needle.count, let found = memchr(place, Int32(first), end - place - needle.count + 1) {
            if memcmp(found, needle, needle.count) == 0 { return true }
            place = UnsafeRawPointer(found) + 1
        }
        return false
    }

    /// Writes a file into a folder, which is made where it is not there.
    package func make(_ folder: String, _ name: String, _ content: [UInt8]) {
        mkdir(file(folder), 0o700)
        Self.write(content, to: file(folder + "/" + name))
    }

    package static func removeFile(_ path: String) { unlink(path) }

    package static func read(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count <= 0 { return content }
            content += chunk[..<count]
        }
    }

    package static func write(_ content: [UInt8], to path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        var written = 0
        content.withUnsafeBytes { bytes in
            while written < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
                if count <= 0 { return }
                written += count
            }
        }
    }

    /// The files below a path, by their paths from there.
    private static func names(_ path: String) -> [String] {
        entries(path).flatMap { name, isFolder in
            isFolder ? names(path + "/" + name).map { name + "/" + $0 } : [name]
        }
    }

    /// The folders in a path; none has folders of its own.
    private static func folders(_ path: String) -> [String] {
        entries(path).filter(\.isFolder).map(\.name)
    }

    private static func entries(_ path: String) -> [(name: String, isFolder: Bool)] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var entries: [(name: String, isFolder: Bool)] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { entries.append((name, entry.pointee.d_type == UInt8(DT_DIR))) }
        }
        return entries
    }

    private static func remove(_ path: String) {
        for name in names(path) { unlink(path + "/" + name) }
        for folder in folders(path) { rmdir(path + "/" + folder) }
        rmdir(path)
    }
}
