/// Decompresses a gzip body (RFC 1952). Several members in a row are read as one.
///
/// Never holds more than `decompressedBytesMax` and one buffer of 16 KiB, whatever the input claims.
///
/// - Parameter decompressedBytesMax: the most bytes that may come out.
/// - Throws: ``CompressionError``: `tooLarge`, `corrupt`, `truncated` (also for no bytes at all), `trailingGarbage`.
package func gunzip(
    _ bytes: UnsafeRawBufferPointer, decompressedBytesMax: Int
) throws(CompressionError) -> [UInt8] {
    let inflater = try Inflater()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 * 1024, alignment: 16)
    defer { buffer.deallocate() }
    var input = bytes
    var output: [UInt8] = []
    while true {
        let (step, consumed, produced) = try inflater.step(input: input, output: buffer)
        input = UnsafeRawBufferPointer(rebasing: input[consumed...])
        guard output.count + produced <= decompressedBytesMax else { throw .tooLarge(bytesMax: decompressedBytesMax) }
        output.append(contentsOf: buffer[..<produced])
        switch step {
        case .outputFull: break
        case .needsInput:
            guard !input.isEmpty else { throw .truncated }
        case .memberEnd:
            guard !input.isEmpty else { return output }
            guard input[0] == gzipMagic.0, input.count == 1 || input[1] == gzipMagic.1 else {
                throw .trailingGarbage
            }
            inflater.reset()
        }
    }
}

/// See ``gunzip(_:decompressedBytesMax:)-(UnsafeRawBufferPointer,_)``.
package func gunzip(_ bytes: [UInt8], decompressedBytesMax: Int) throws(CompressionError) -> [UInt8] {
    do {
        return try bytes.withUnsafeBytes { try gunzip($0, decompressedBytesMax: decompressedBytesMax) }
    } catch let error as CompressionError {
        throw error
    } catch {
        throw .corrupt
    }
}

/// Compresses `bytes` to one gzip member.
///
/// - Parameter level: 1 (fast) to 9 (small); clamped.
/// - Throws: `outOfMemory` only.
package func gzip(_ bytes: UnsafeRawBufferPointer, level: Int = 6) throws(CompressionError) -> [UInt8] {
    let deflater = try Deflater(level: level, byteCount: bytes.count)
    return [UInt8](unsafeUninitializedCapacity: deflater.bound(bytes.count)) { output, count in
        count = 0
        var input = bytes
        var done = false
        // The bound makes one step enough, but for input that a step's 32-bit counts can't hold.
        while !done {
            let step = deflater.step(
                input: input,
                output: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(output)[count...]),
                mode: .finish
            )
            input = UnsafeRawBufferPointer(rebasing: input[step.consumed...])
            count += step.produced
            done = step.done
        }
    }
}

/// See ``gzip(_:level:)-(UnsafeRawBufferPointer,_)``.
package func gzip(_ bytes: [UInt8], level: Int = 6) throws(CompressionError) -> [UInt8] {
    do {
        return try bytes.withUnsafeBytes { try gzip($0, level: level) }
    } catch {
        throw .outOfMemory
    }
}

/// The first bytes of every gzip member.
let gzipMagic: (UInt8, UInt8) = (0x1F, 0x8B)

/// Whether `bytes` begin like gzip.
package func looksLikeGzip(_ bytes: some Collection<UInt8>) -> Bool {
    bytes.starts(with: [gzipMagic.0, gzipMagic.1])
}
