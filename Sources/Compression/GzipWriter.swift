internal import Glibc

/// Writes one gzip member piece by piece, in constant memory: to a file, or to a response that is being streamed.
package final class GzipWriter {
    /// Takes a piece of the compressed stream; valid only during the call.
    package typealias Sink = (UnsafeRawBufferPointer) throws -> Void

    private let deflater: Deflater
    private let sink: Sink
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 * 1024, alignment: 16)
    private var isFinished = false

    /// - Parameter level: 1 (fast) to 9 (small); clamped.
    /// - Throws: `outOfMemory`.
    package init(level: Int = 6, sink: @escaping Sink) throws(CompressionError) {
        deflater = try Deflater(level: level)
        self.sink = sink
    }

    /// Writes to a descriptor, which stays the caller's to close.
    ///
    /// - Throws: `outOfMemory`.
    package convenience init(fileDescriptor: Int32, level: Int = 6) throws(CompressionError) {
        try self.init(level: level) { bytes in
            var rest = bytes
            while !rest.isEmpty {
                let count = Glibc.write(fileDescriptor, rest.baseAddress, rest.count)
                if count >= 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if errno != EINTR {
                    throw CompressionError.file(errno: errno)
                }
            }
        }
    }

    deinit {
        buffer.deallocate()
    }

    /// Compresses `bytes`; they reach the sink at once or later.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        try run(bytes, .more)
    }

    /// See ``write(_:)-(UnsafeRawBufferPointer)``.
    package func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try write($0) }
    }

    /// Gives the sink everything written so far, so that a reader can decompress up to here.
    package func flush() throws {
        try run(UnsafeRawBufferPointer(start: nil, count: 0), .flush)
    }

    /// Ends the member. Further writes do nothing.
    package func finish() throws {
        try run(UnsafeRawBufferPointer(start: nil, count: 0), .finish)
        isFinished = true
    }

    private func run(_ bytes: UnsafeRawBufferPointer, _ mode: Deflater.Mode) throws {
        guard !isFinished else { return }
        var input = bytes
        while true {
            let (consumed, produced, done) = deflater.step(input: input, output: buffer, mode: mode)
            input = UnsafeRawBufferPointer(rebasing: input[consumed...])
            if produced > 0 { try sink(UnsafeRawBufferPointer(rebasing: buffer[..<produced])) }
            if done { return }
        }
    }
}
