import Base
import Glibc
package import Logging
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

    /// Reads the key, or makes it: readable for the server's own user only, whole or not at all. What is no key is kept
    /// aside: with it every token and cursor has ended, and callbacks must not wait for anybody to notice.
    package static func load(directory: String, logger: Logger) throws(Unusable) -> SecretKey {
        let path = directory + "/" + name
        switch try read(path) {
        case .key(let key): return key
        case .missing: break
        case .damaged:
            guard let aside = FileSystem.moveAside(path, as: "damaged") else { throw unusable(path) }
            logger.critical(
                "the key of tokens and cursors is damaged: a new one is made, and those handed out before have ended",
                metadata: ["file": "\(aside)"])
        }
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

    private enum Found { case key(SecretKey), missing, damaged }

    /// - Throws: where the file cannot be read now: then it is not made anew, for every token and cursor would end.
    private static func read(_ path: String) throws(Unusable) -> Found {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return .missing }
            throw Unusable(description: "cannot read the key file \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteCount + 1)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else {
            throw Unusable(description: "cannot read the key file \(path): \(String(cString: strerror(errno)))")
        }
        guard count == byteCount, let key = SecretKey(Array(bytes[..<byteCount])) else { return .damaged }
        return .key(key)
    }

    private static func unusable(_ path: String) -> Unusable {
        Unusable(description: "cannot make the key file \(path): \(String(cString: strerror(errno)))")
    }
}
