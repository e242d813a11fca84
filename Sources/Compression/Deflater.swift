internal import CZlib

/// One zlib compression state that writes one gzip member.
final class Deflater {
    enum Mode {
        /// zlib may keep bytes back.
        case more
        /// Everything given so far can be read from the output.
        case flush
        /// The end of the member.
        case finish
    }

    // On the heap: zlib's state points back to it.
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Parameters:
    ///   - level: 1 (fast) to 9 (small); clamped.
    ///   - byteCount: of the whole member, where that is known. What zlib needs for more, up to 256 KiB, would take longer to
    ///     make than a short text takes to compress; the result is the same.
    init(level: Int, byteCount: Int = .max) throws(CompressionError) {
        // As exponents of two (zlib's manual, "deflateInit2"): a window as large as the text, and memory that goes with it.
        let window = Int32((9...15).first { 1 << $0 >= byteCount } ?? 15)
        let memory = min(window - 6, 8)
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let result = deflateInit2_(
            stream, Int32(min(max(level, 1), 9)), Z_DEFLATED, window + 16, memory, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        guard result == Z_OK else {
            stream.deallocate()
            throw .outOfMemory
        }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// The most bytes that a whole member of `count` input bytes can take.
    func bound(_ count: Int) -> Int {
        Int(deflateBound(stream, UInt(count)))
    }

    /// Compresses from `input` into `output`.
    ///
    /// - Returns: the numbers of bytes taken and written, and whether all that `mode` asks for has been written.
    func step(
        input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer, mode: Mode
    ) -> (consumed: Int, produced: Int, done: Bool) {
        let inputCount = UInt32(clamping: input.count)
        let outputCount = UInt32(clamping: output.count)
        let isLast = Int(inputCount) == input.count
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = inputCount
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = outputCount
        let flush =
            switch mode {
            case .finish where isLast: Z_FINISH
            case .flush where isLast: Z_SYNC_FLUSH
            default: Z_NO_FLUSH
            }
        let result = deflate(stream, flush)
        let consumed = Int(inputCount - stream.pointee.avail_in)
        let produced = Int(outputCount - stream.pointee.avail_out)
        let done = mode == .finish ? result == Z_STREAM_END : consumed == input.count && stream.pointee.avail_out > 0
        return (consumed, produced, done)
    }
}
