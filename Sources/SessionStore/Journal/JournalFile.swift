internal import Base
internal import CLinux
internal import Glibc

/// A call on the journal's file that failed.
struct JournalError: Error, CustomStringConvertible {
    /// `errno`.
    let code: Int32
    let action: String

    /// No room on the disk, or in the quota.
    var isFull: Bool { code == ENOSPC || code == EDQUOT }

    var description: String { "\(String(cString: strerror(code))) while \(action)" }
}

/// The journal's file. Written without the kernel's page cache where the file system can (`O_DIRECT`): nothing else would
/// read it from there, and what a failed write leaves behind is never taken for what is on disk.
struct JournalFile: ~Copyable {
    /// Before a write and before a sync: an `errno` other than 0 is what becomes of it. For tests.
    enum Step: Sendable { case write, sync }
    typealias Hook = @Sendable (Step) -> Int32

    private let descriptor: Int32
    private let hook: Hook?

    /// Opens the file (and makes it, mode 0600, sparse).
    /// - Parameter size: bytes.
    init(path: String, size: Int, hook: Hook?) throws(JournalError) {
        descriptor = try Self.open(path, size)
        self.hook = hook
    }

    private static func open(_ path: String, _ size: Int) throws(JournalError) -> Int32 {
        let isNew = !FileSystem.exists(path)
        let descriptor = clinux_open_direct(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw JournalError(code: errno, action: "opening \(path)") }
        do throws(JournalError) {
            try check(ftruncate(descriptor, off_t(size)), "sizing \(path)")
            if isNew {
                try check(fsync(descriptor), "making \(path)")
                try syncDirectory(of: path)
            }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    deinit {
        close(descriptor)
    }

    /// A file that is new must be found after a power cut, too.
    private static func syncDirectory(of path: String) throws(JournalError) {
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        let opened = Glibc.open(directory.isEmpty ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0 else { throw JournalError(code: errno, action: "opening \(directory)") }
        defer { close(opened) }
        try check(fsync(opened), "making \(path)")
    }

    /// Bytes of the file that have a place on disk.
    var allocatedBytes: Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_blocks) * 512 : 0
    }

    /// Where what was written from `start` on ends; `end` where the file system cannot tell.
    func endOfData(from start: Int, to end: Int) -> Int {
        let hole = clinux_first_hole(descriptor, off_t(start))
        return hole < 0 ? end : min(Int(hole), end)
    }

    /// Writes all of `bytes`: whole blocks, at a multiple of a block, from memory aligned likewise.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(JournalError) {
        try inject(.write)
        var done = 0
        while done < bytes.count {
            let written = pwrite(
                descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(offset + done))
            if written > 0 {
                done += written
            } else if written < 0 && errno == EINVAL && clinux_clear_direct(descriptor) == 0 {
                // This device has larger blocks, or the file system only pretends to know direct I/O.
                continue
            } else if written == 0 || errno != EINTR {
                throw JournalError(code: written == 0 ? EIO : errno, action: "writing the journal")
            }
        }
    }

    /// Until what was written would survive a power cut.
    func sync() throws(JournalError) {
        try inject(.sync)
        try Self.check(fdatasync(descriptor), "syncing the journal")
    }

    private func inject(_ step: Step) throws(JournalError) {
        if let code = hook?(step), code != 0 { throw JournalError(code: code, action: "testing the journal") }
    }

    private static func check(_ result: Int32, _ action: @autoclosure () -> String) throws(JournalError) {
        guard result == 0 else { throw JournalError(code: errno, action: action()) }
    }
}
