internal import Base
internal import CLinux
internal import Glibc

/// A call on a file of the log that failed.
struct LogFileError: Error, CustomStringConvertible {
    /// `errno`.
    let code: Int32
    let action: String

    /// No room on the disk, or in the quota.
    var isFull: Bool { code == ENOSPC || code == EDQUOT }

    var description: String { "\(String(cString: strerror(code))) while \(action)" }

    /// What callers of the log are told.
    var storeError: StoreError {
        StoreError(.unavailable, isFull ? "no room on disk for the log" : "the log cannot be written: \(self)")
    }
}

/// A file of the log that is open for reading, for as long as anybody has it.
final class ReadFile: Sendable {
    let descriptor: Int32

    init(path: String) throws(LogFileError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LogFileError(code: errno, action: "opening \(path)") }
    }

    deinit {
        close(descriptor)
    }

    /// Bytes; 0 where nobody can say.
    var size: Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }
}

/// A file of the log that is open for writing.
///
/// Its writes go round the kernel's page cache where the file system can (`O_DIRECT`): what a failed write leaves behind
/// is never taken for what is on disk.
struct LogFile: ~Copyable {
    let descriptor: Int32
    private let hook: LogOptions.WriteHook?

    enum Mode { case write, create }

    /// - Throws: `EEXIST` where a file that is to be created is there.
    init(path: String, _ mode: Mode, hook: LogOptions.WriteHook? = nil) throws(LogFileError) {
        let flags = mode == .create ? O_RDWR | O_CREAT | O_EXCL : O_RDWR
        let opened = clinux_open_direct(path, flags | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw LogFileError(code: errno, action: "opening \(path)") }
        descriptor = opened
        self.hook = hook
    }

    deinit {
        close(descriptor)
    }

    /// Bytes; 0 where nobody can say.
    var size: Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Writes all of `bytes`: whole blocks, at a multiple of a block, from memory aligned likewise.
    /// - Parameter step: what of it tests are told.
    func write(
        _ bytes: UnsafeRawBufferPointer, at offset: Int, _ step: LogOptions.WriteStep = .write
    ) throws(LogFileError) {
        if let code = hook?(step), code != 0 { throw LogFileError(code: code, action: "writing the log") }
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
                throw LogFileError(code: written == 0 ? EIO : errno, action: "writing the log")
            }
        }
    }

    /// Until what was written would survive a power cut.
    func sync() throws(LogFileError) {
        if let code = hook?(.sync), code != 0 { throw LogFileError(code: code, action: "syncing the log") }
        guard fdatasync(descriptor) == 0 else { throw LogFileError(code: errno, action: "syncing the log") }
    }

    /// A file that is new, or that has another name, must be found after a power cut, too.
    static func syncDirectory(_ path: String) throws(LogFileError) {
        let opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0 else { throw LogFileError(code: errno, action: "opening \(path)") }
        defer { close(opened) }
        guard fsync(opened) == 0 else { throw LogFileError(code: errno, action: "syncing \(path)") }
    }
}

/// Memory that starts at a multiple of a block.
struct AlignedBuffer: ~Copyable {
    private(set) var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private static let keptMax = 1 << 20

    /// Makes room for `count` bytes, keeping the first `kept`. What a large batch has needed is given back by the next
    /// small one.
    mutating func reserve(_ count: Int, keeping kept: Int = 0) -> UnsafeMutableRawBufferPointer {
        if count > bytes.count || bytes.count > Self.keptMax && count <= Self.keptMax {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(LogFormat.wholeBlocks(count), 64 << 10), alignment: LogFormat.blockBytes)
            if kept > 0 { larger.copyMemory(from: UnsafeRawBufferPointer(bytes.slice(0, kept))) }
            bytes.deallocate()
            bytes = larger
        }
        return bytes.slice(0, count)
    }

    deinit {
        bytes.deallocate()
    }
}

/// Reads a file through a piece of memory that moves over it.
struct ReadWindow: ~Copyable {
    private let file: ReadFile
    /// Nothing is read from here on.
    let limit: Int
    private var buffer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var start = 0
    private var count = 0
    private let chunk: Int

    init(_ file: ReadFile, limit: Int, chunk: Int = 256 << 10) {
        self.file = file
        self.limit = limit
        self.chunk = chunk
    }

    deinit {
        buffer.deallocate()
    }

    /// The bytes at an offset; fewer than `wanted` where the file ends. Valid until the next call.
    mutating func bytes(_ offset: Int, _ wanted: Int) throws(StoreError) -> UnsafeRawBufferPointer {
        let end = min(offset + wanted, limit)
        guard offset < end else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        if offset < start || end > start + count { try load(offset, through: end) }
        let there = min(end, start + count)
        guard offset < there else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(buffer.slice(offset - start, there - offset))
    }

    private mutating func load(_ offset: Int, through end: Int) throws(StoreError) {
        let wanted = min(max(end - offset, chunk), limit - offset)
        if wanted > buffer.count || buffer.count > 4 * chunk && wanted <= chunk {
            buffer.deallocate()
            buffer = .allocate(byteCount: max(wanted, chunk), alignment: 16)
        }
        start = offset
        count = 0
        while count < wanted {
            let result = pread(
                file.descriptor, buffer.baseAddress?.advanced(by: count), wanted - count, off_t(offset + count))
            if result < 0 && errno == EINTR { continue }
            guard result >= 0 else {
                throw StoreError(.unavailable, "the log cannot be read: \(String(cString: strerror(errno)))")
            }
            // Shorter than it was: whoever walks over it finds that out.
            if result == 0 { return }
            count += result
        }
    }

    /// Where the first byte from `offset` on is that is not zero; nil where there is none.
    mutating func firstNonzero(from offset: Int) throws(StoreError) -> Int? {
        var offset = offset
        while offset < limit {
            let bytes = try bytes(offset, chunk)
            if bytes.isEmpty { return nil }
            if !bytes.areZeros, let index = bytes.firstIndex(where: { $0 != 0 }) { return offset + index }
            offset += bytes.count
        }
        return nil
    }
}

extension UnsafeRawBufferPointer {
    /// Compared with themselves, one further: as fast as memory is.
    var areZeros: Bool {
        guard let baseAddress, self[0] == 0 else { return isEmpty }
        return memcmp(baseAddress, baseAddress + 1, count - 1) == 0
    }
}
