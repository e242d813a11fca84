import Glibc
package import WebhookSecurity

/// The key of everything that clients hand back to us (cursors of pages): 32 random bytes in the data directory, made at
/// the first start. Without the file, only the texts handed out before it went lose their meaning.
package enum SealKeyFile {
    package static let name = "seal.key"
    private static let byteCount = 32

    package struct Unusable: Error, CustomStringConvertible {
        package let description: String
    }

    /// A key for tests, and for whoever needs none that lasts.
    package static func random() throws(Unusable) -> SecretKey {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        guard getentropy(&bytes, bytes.count) == 0, let key = SecretKey(bytes) else {
            throw Unusable(description: "the system gives no random bytes")
        }
        return key
    }

    /// Reads the key, or makes it: readable for the server's own user only, whole or not at all.
    package static func load(directory: String) throws(Unusable) -> SecretKey {
        let path = directory + "/" + name
        if let key = try read(path) { return key }
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw unusable(path) }
        let key = try random()
        let written = key.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        let isSynced = fsync(descriptor) == 0
        close(descriptor)
        guard written == byteCount, isSynced, rename(temporary, path) == 0 else { throw unusable(path) }
        let parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        fsync(parent)
        close(parent)
        return key
    }

    /// nil where there is no file. One that cannot be read is not made anew: every token and cursor would end.
    private static func read(_ path: String) throws(Unusable) -> SecretKey? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Unusable(description: "cannot read the key file \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteCount + 1)
        guard Glibc.read(descriptor, &bytes, bytes.count) == byteCount,
            let key = SecretKey(Array(bytes[..<byteCount]))
        else { throw Unusable(description: "\(path) is not a key of \(byteCount) bytes; remove it to have one made") }
        return key
    }

    private static func unusable(_ path: String) -> Unusable {
        Unusable(description: "cannot make the key file \(path): \(String(cString: strerror(errno)))")
    }
}
