internal import Base

/// Decompresses a gzip body (RFC 1952). Several members in a row are read as one.
///
/// Never holds more than `decompressedBytesMax` and one buffer of 16 KiB, whatever the input claims.
///
/// - Parameter decompressedBytesMax: the most bytes that may come out.
/// - Throws: ``CompressionError``: `tooLarge`, `corrupt`, `truncated` (also for no bytes at all), `trailingGarbage`.
package func gunzip(
    _ bytes: UnsafeRawBufferPointer, decompressedBytesMax: Int
) throws(CompressionError) -> [UInt8] {
    let inflater = try inflaters.take { () throws(CompressionError) in PooledInflater(try Inflater()) }
    defer { inflaters.giveBack(inflater) }
    return try inflater.decompress(bytes, bytesMax: decompressedBytesMax)
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
    let level = Deflater.clamped(level)
    let deflater = try deflaters.take(where: { $0.level == level }) { () throws(CompressionError) in
        try Deflater(level: level)
    }
    defer { deflaters.giveBack(deflater) }
    deflater.reset()
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

private let inflaters = Pool<PooledInflater>()
private let deflaters = Pool<Deflater>()

private final class PooledInflater {
    private let inflater: Inflater
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 * 1024, alignment: 16)

    init(_ inflater: Inflater) {
        self.inflater = inflater
    }

    deinit {
        buffer.deallocate()
    }

    func decompress(_ bytes: UnsafeRawBufferPointer, bytesMax: Int) throws(CompressionError) -> [UInt8] {
        inflater.reset()
        var input = bytes
        var output: [UInt8] = []
        while true {
            let (step, consumed, produced) = try inflater.step(input: input, output: buffer)
            input = UnsafeRawBufferPointer(rebasing: input[consumed...])
            guard output.count + produced <= bytesMax else { throw .tooLarge(bytesMax: bytesMax) }
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
}

/// A few idle states for whoever comes next: making one costs more than a small body.
// @unchecked: the elements are not thread-safe, but one is either in the list or with one taker.
private final class Pool<Element: AnyObject>: @unchecked Sendable {
    private static var idleMax: Int { 8 }
    private let lock = Locked(())
    private nonisolated(unsafe) var idle: [Element] = []

    func take(
        where fits: (Element) -> Bool = { _ in true }, orMake make: () throws(CompressionError) -> Element
    ) throws(CompressionError) -> Element {
        let found = lock.withLock { _ in idle.lastIndex(where: fits).map { Unchecked(idle.remove(at: $0)) } }
        if let found { return found.value }
        return try make()
    }

    func giveBack(_ element: Element) {
        let element = Unchecked(element)
        lock.withLock { _ in
            if idle.count < Self.idleMax { idle.append(element.value) }
        }
    }

    // @unchecked: carries an element over the lock's border; see above.
    private struct Unchecked: @unchecked Sendable {
        let value: Element
        init(_ value: Element) { self.value = value }
    }
}
