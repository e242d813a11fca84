internal import Base
internal import EventLog
internal import Glibc

/// The right to a data directory: one process holds it, from opening to closing.
///
/// Two locks of the kernel (`flock`), which go with the process however that ends: one on the directory itself, which
/// nobody can take away by removing a file, and one on the file `lock`, whose text names the holder for people.
final class DirectoryLock: DirectoryRight {
    static let fileName = "lock"

    private struct Held {
        /// -1: not held.
        var directory: Int32 = -1
        var file: Int32 = -1
    }

    private let path: String
    private let held: Locked<Held>

    /// Makes the directory (mode 0700) unless it is there, and takes the locks. Nothing in it is opened or changed before.
    /// - Parameter readOnly: the directory must be there already.
    /// - Throws: `locked` with the holder's process id, or `directory`.
    init(directory: String, readOnly: Bool = false) throws(StoreError) {
        path = directory
        held = Locked(try Self.take(directory, readOnly: readOnly))
    }

    deinit {
        release()
    }

    private static func take(_ directory: String, readOnly: Bool) throws(StoreError) -> Held {
        if !readOnly && mkdir(directory, 0o700) != 0 && errno != EEXIST {
            throw StoreError(.directory, "cannot create the data directory \(directory): \(reason())")
        }
        var held = Held()
        held.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard held.directory >= 0 else {
            throw StoreError(.directory, "cannot open the data directory \(directory): \(reason())")
        }
        do throws(StoreError) {
            let path = FileSystem.join(directory, Self.fileName)
            try lock(held.directory, directory, holderIn: path)
            held.file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            // On a read-only file system the lock can be taken all the same.
            if held.file < 0 && readOnly { held.file = open(path, O_RDONLY | O_CLOEXEC) }
            guard held.file >= 0 || readOnly else { throw StoreError(.directory, "cannot open \(path): \(reason())") }
            if held.file >= 0 {
                try lock(held.file, directory, holderIn: path)
                // For people only; a full disk must not stop the start.
                if ftruncate(held.file, 0) == 0 {
                    _ = "\(getpid())\n".withCString { pwrite(held.file, $0, strlen($0), 0) }
                }
            }
            return held
        } catch {
            close(held)
            throw error
        }
    }

    private static func lock(_ descriptor: Int32, _ directory: String, holderIn path: String) throws(StoreError) {
        var result: Int32
        repeat { result = flock(descriptor, LOCK_EX | LOCK_NB) } while result != 0 && errno == EINTR
        guard result != 0 else { return }
        guard errno == EWOULDBLOCK else { throw StoreError(.directory, "cannot lock \(directory): \(reason())") }
        throw StoreError(
            .locked,
            "the data directory \(directory) is in use by process \(holder(path)); stop it first, or use another")
    }

    /// Gives the directory free; a second call does nothing.
    func release() {
        held.withLock { held in
            // The file stays: removing it would let two processes lock two files of the same name.
            Self.close(held)
            held = Held()
        }
    }

    private static func close(_ held: Held) {
        for descriptor in [held.file, held.directory] where descriptor >= 0 {
            // A child that was forked a moment ago, for a program, has the descriptor until it runs that: closing alone
            // would leave it the lock.
            flock(descriptor, LOCK_UN)
            Glibc.close(descriptor)
        }
    }

    // MARK: Whether it still is what was taken

    func isInPlace() -> Bool {
        held.withLock { held in
            held.directory < 0
                || Self.isSame(held.directory, path)
                    && (held.file < 0 || Self.isSame(held.file, FileSystem.join(path, Self.fileName)))
        }
    }

    func renew() throws(StoreError) {
        try held.withLock { (held) throws(StoreError) in
            guard held.directory >= 0 else { return }
            if Self.isSame(held.directory, path) {
                // Only the file is gone. The directory's own lock is held, so nobody else can have taken the right.
                Self.close(held)
                held = Held()
            }
            let new = try Self.take(path, readOnly: false)
            Self.close(held)
            held = new
        }
    }

    private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
        var opened = stat()
        var named = stat()
        return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0 && opened.st_nlink > 0
            && (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)
    }

    private static func holder(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "(unknown)" }
        defer { Glibc.close(descriptor) }
        var text = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &text, text.count, 0)
        let digits = text.prefix(max(count, 0)).prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        return digits.isEmpty ? "(unknown)" : String(decoding: digits, as: UTF8.self)
    }

    private static func reason() -> String {
        SystemCallError(errno).withRemedy
    }
}
