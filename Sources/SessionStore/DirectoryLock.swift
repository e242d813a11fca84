internal import Base
internal import Glibc

/// The right to a data directory: one process holds it, from opening to closing.
///
/// The lock is the kernel's (`flock`), so it goes with the process however that ends; the file's text only names the
/// holder for people.
final class DirectoryLock: Sendable {
    private let descriptor: Locked<Int32>

    /// Makes the directory (mode 0700) unless it is there, and takes the lock.
    /// - Parameter readOnly: the directory must be there already.
    /// - Throws: `locked` with the holder's process id, or `directory`.
    init(directory: String, readOnly: Bool = false) throws(StoreError) {
        if !readOnly && mkdir(directory, 0o700) != 0 && errno != EEXIST {
            throw StoreError(.directory, "cannot create the data directory \(directory): \(Self.reason())")
        }
        let path = directory + "/lock"
        var opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        // On a read-only file system the lock can be taken all the same.
        if opened < 0 && readOnly { opened = open(path, O_RDONLY | O_CLOEXEC) }
        guard opened >= 0 else { throw StoreError(.directory, "cannot open \(path): \(Self.reason())") }
        var result: Int32
        repeat { result = flock(opened, LOCK_EX | LOCK_NB) } while result != 0 && errno == EINTR
        guard result == 0 else {
            let code = errno
            let holder = Self.holder(opened)
            Glibc.close(opened)
            guard code == EWOULDBLOCK else { throw StoreError(.directory, "cannot lock \(path)") }
            throw StoreError(
                .locked, "the data directory \(directory) is in use by process \(holder); stop it first, or use another"
            )
        }
        descriptor = Locked(opened)
        // For people only; a full disk must not stop the start.
        if ftruncate(opened, 0) == 0 {
            _ = "\(getpid())\n".withCString { pwrite(opened, $0, strlen($0), 0) }
        }
    }

    deinit {
        release()
    }

    /// Gives the directory free; a second call does nothing.
    func release() {
        descriptor.withLock { descriptor in
            // The file stays: removing it would let two processes lock two files of the same name.
            if descriptor >= 0 { Glibc.close(descriptor) }
            descriptor = -1
        }
    }

    private static func holder(_ descriptor: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &text, text.count, 0)
        let digits = text.prefix(max(count, 0)).prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        return digits.isEmpty ? "(unknown)" : String(decoding: digits, as: UTF8.self)
    }

    private static func reason() -> String {
        String(cString: strerror(errno))
    }
}
