internal import Glibc

/// Reads a gzip stream piece by piece, in constant memory. Several members in a row are read as one.
package final class GzipReader {
    /// Fills the buffer and returns the number of bytes, 0 at the end.
    package typealias Source = (UnsafeMutableRawBufferPointer) throws -> Int

    private let inflater: Inflater
    private let source: Source
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
    private var unread: Range<Int> = 0..<0
    private var position: Position = .member

    private enum Position {
        case member, betweenMembers, end
    }

    /// - Throws: `outOfMemory`.
    package init(source: @escaping Source) throws(CompressionError) {
        inflater = try Inflater()
        self.source = source
    }

    /// Reads from a descriptor, which stays the caller's to close.
    ///
    /// - Throws: `outOfMemory`.
    package convenience init(fileDescriptor: Int32) throws(CompressionError) {
        try self.init { buffer in
            while true {
                let count = Glibc.read(fileDescriptor, buffer.baseAddress, buffer.count)
                if count >= 0 { return count }
                if errno != EINTR { throw CompressionError.file(errno: errno) }
            }
        }
    }

    deinit {
        buffer.deallocate()
    }

    /// Fills `output` with decompressed bytes.
    ///
    /// - Returns: the number of bytes, less than asked for only at the end; 0 at the end.
    /// - Throws: ``CompressionError``, and what the source throws. What was read before the damage has been returned
    ///   by earlier calls at the latest.
    package func read(into output: UnsafeMutableRawBufferPointer) throws -> Int {
        var written = 0
        while written < output.count, position != .end {
            if unread.isEmpty {
                unread = 0..<(try source(buffer))
                if unread.isEmpty {
                    guard position == .betweenMembers else { throw CompressionError.truncated }
                    position = .end
                    break
                }
            }
            if position == .betweenMembers {
                guard buffer[unread.lowerBound] == gzipMagic.0 else { throw CompressionError.trailingGarbage }
                inflater.reset()
                position = .member
            }
            let (step, consumed, produced) = try inflater.step(
                input: UnsafeRawBufferPointer(rebasing: buffer[unread]),
                output: UnsafeMutableRawBufferPointer(rebasing: output[written...])
            )
            unread = (unread.lowerBound + consumed)..<unread.upperBound
            written += produced
            if step == .memberEnd { position = .betweenMembers }
        }
        return written
    }
}
