internal import CZlib

/// One zlib decompression state, for gzip members one after the other.
final class Inflater {
    enum Step {
        /// All input is used up; the member goes on.
        case needsInput
        /// The output buffer is full; there may be more.
        case outputFull
        /// The member is complete, its checksum and length were right.
        case memberEnd
    }

    // On the heap: zlib's state points back to it.
    private let stream: UnsafeMutablePointer<z_stream>

    init() throws(CompressionError) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 15: the largest window; + 16: the gzip format only.
        guard inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            stream.deallocate()
            throw .outOfMemory
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Makes it ready for the next member.
    func reset() {
        inflateReset(stream)
    }

    /// Decompresses from `input` into `output`.
    ///
    /// - Returns: what ended the step, and the numbers of bytes taken and written.
    func step(
        input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) throws(CompressionError) -> (step: Step, consumed: Int, produced: Int) {
        let inputCount = UInt32(clamping: input.count)
        let outputCount = UInt32(clamping: output.count)
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = inputCount
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = outputCount
        let result = inflate(stream, Z_NO_FLUSH)
        let consumed = Int(inputCount - stream.pointee.avail_in)
        let produced = Int(outputCount - stream.pointee.avail_out)
        switch result {
        case Z_STREAM_END: return (.memberEnd, consumed, produced)
        case Z_OK, Z_BUF_ERROR: return (stream.pointee.avail_out == 0 ? .outputFull : .needsInput, consumed, produced)
        case Z_MEM_ERROR: throw .outOfMemory
        default: throw .corrupt
        }
    }
}
