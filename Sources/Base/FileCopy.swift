internal import CLinux
internal import Glibc

/// What a file held when it was copied: enough to tell whether a copy still does.
package struct FileSummary: Sendable, Equatable {
    package let bytes: Int64
    /// CRC-32C of all bytes.
    package let checksum: UInt32

    package init(bytes: Int64, checksum: UInt32) {
        self.bytes = bytes
        self.checksum = checksum
    }
}

/// A call on a file that failed.
package struct FileCopyError: Error, CustomStringConvertible {
    /// `errno`.
    package let code: Int32
    package let action: String

    package init(code: Int32, action: String) {
        self.code = code
        self.action = action
    }

    package var description: String { "\(String(cString: strerror(code))) while \(action)" }
}

extension FileSystem {
    private static let chunkBytes = 1 << 20

    /// Copies what an open descriptor has, to a new file (mode 0600) that is durable when this returns; its name is not.
    ///
    /// - Parameters:
    ///   - limit: what lies from here on is left out.
    ///   - multiple: the copy is filled up with zeros to a multiple of this many bytes.
    package static func copy(
        _ descriptor: Int32, to path: String, through limit: Int64 = .max, paddedTo multiple: Int64 = 1
    ) throws(FileCopyError) -> FileSummary {
        let copy = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard copy >= 0 else { throw FileCopyError(code: errno, action: "making \(path)") }
        defer { close(copy) }
        var summary = try forEachChunk(of: descriptor, through: limit, "copying to \(path)") {
            (chunk, offset) throws(FileCopyError) in
            var written = 0
            while written < chunk.count {
                let result = pwrite(
                    copy, chunk.baseAddress?.advanced(by: written), chunk.count - written,
                    off_t(offset) + off_t(written))
                if result < 0 && errno == EINTR { continue }
                guard result > 0 else { throw FileCopyError(code: errno, action: "writing \(path)") }
                written += result
            }
        }
        let whole = (summary.bytes + multiple - 1) / multiple * multiple
        if whole > summary.bytes {
            guard ftruncate(copy, off_t(whole)) == 0 else {
                throw FileCopyError(code: errno, action: "writing \(path)")
            }
            let zeros = [UInt8](repeating: 0, count: Int(whole - summary.bytes))
            summary = FileSummary(bytes: whole, checksum: clinux_crc32c(summary.checksum, zeros, zeros.count))
        }
        guard fsync(copy) == 0 else { throw FileCopyError(code: errno, action: "syncing \(path)") }
        return summary
    }

    /// The same by name.
    package static func copy(_ source: String, to path: String) throws(FileCopyError) -> FileSummary {
        let descriptor = open(source, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileCopyError(code: errno, action: "opening \(source)") }
        defer { close(descriptor) }
        return try copy(descriptor, to: path)
    }

    /// Reads all of a file.
    package static func summary(of path: String) throws(FileCopyError) -> FileSummary {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileCopyError(code: errno, action: "opening \(path)") }
        defer { close(descriptor) }
        return try forEachChunk(of: descriptor, through: .max, "reading \(path)") { (_, _) throws(FileCopyError) in }
    }

    private static func forEachChunk(
        of descriptor: Int32, through limit: Int64, _ action: String,
        body: (UnsafeRawBufferPointer, Int64) throws(FileCopyError) -> Void
    ) throws(FileCopyError) -> FileSummary {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 16)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        var checksum: UInt32 = 0
        while offset < limit {
            let count = pread(
                descriptor, buffer.baseAddress, Int(min(Int64(chunkBytes), limit - offset)), off_t(offset))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw FileCopyError(code: errno, action: action) }
            if count == 0 { break }
            let chunk = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            checksum = clinux_crc32c(checksum, chunk.baseAddress, chunk.count)
            try body(chunk, offset)
            offset += Int64(count)
        }
        return FileSummary(bytes: offset, checksum: checksum)
    }
}
