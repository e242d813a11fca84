internal import Base
internal import Glibc
package import SessionModel

/// Tells sessions that are certainly not stored from those that may be, without a look at the disk: a Bloom filter whose
/// bits for one session lie within one cache line ("Cache-, Hash- and Space-Efficient Bloom Filters", Putze et al. 2007).
///
/// Most events of a new session would otherwise cost a search in a large index that finds nothing. Sessions that were
/// removed stay in it, which costs such a search and nothing else.
///
/// Grows by layers, each four times as large as the one before, so that nothing is ever built anew; the layers' memory
/// becomes resident only as it is used.
///
/// `@unchecked Sendable`: guarded by the lock of whoever owns it.
final class SessionFilter: @unchecked Sendable {
    private struct Layer {
        let blocks: UnsafeMutablePointer<UInt64>
        let blockCount: UInt64
        let capacity: Int
        var count = 0
    }

    private static let wordsPerBlock = 8
    private static let bitsPerSession = 12
    private static let bitsSet = 6
    private static let firstCapacity = 1 << 17

    private var layers: [Layer] = []
    private let capacityMax: Int

    /// - Parameter capacityMax: sessions for which there is memory at most; beyond it the filter errs more often.
    init(capacityMax: Int = 16 << 20) {
        self.capacityMax = capacityMax
    }

    deinit {
        for layer in layers { free(layer.blocks) }
    }

    /// Memory of all layers, in bytes; not all of it need be resident.
    var bytes: Int { layers.reduce(0) { $0 + Int($1.blockCount) * Self.wordsPerBlock * 8 } }

    /// Sessions that were added.
    var count: Int { layers.reduce(0) { $0 + $1.count } }

    /// The hash by which a session goes in and out of the filter (FNV-1a, then the finalizer of MurmurHash3).
    static func hash(_ sessionId: some Sequence<UInt8>) -> UInt64 { finalize(FNV1a.hash(sessionId)) }

    fileprivate static func finalize(_ value: UInt64) -> UInt64 {
        var hash = value
        hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
        hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return hash ^ hash >> 33
    }

    /// False: the session was never added.
    func mayContain(_ hash: UInt64) -> Bool {
        for layer in layers {
            let block = Self.block(hash, layer)
            var bits = hash
            var isSet = true
            for _ in 0..<Self.bitsSet {
                isSet = isSet && block[Int(bits >> 6 & 7)] & (1 << (bits & 63)) != 0
                bits >>= 9
            }
            if isSet { return true }
        }
        return false
    }

    func insert(_ hash: UInt64) {
        if layers.last.map({ $0.count >= $0.capacity }) ?? true { grow() }
        guard let last = layers.indices.last else { return }
        let block = Self.block(hash, layers[last])
        var bits = hash
        for _ in 0..<Self.bitsSet {
            block[Int(bits >> 6 & 7)] |= 1 << (bits & 63)
            bits >>= 9
        }
        layers[last].count += 1
    }

    // MARK: On disk

    private static let codingVersion: UInt64 = 1

    /// The filter as bytes: version, number of layers, for each its capacity, count and words, and a checksum.
    var encoded: [UInt8] {
        var words: [UInt64] = [Self.codingVersion, UInt64(layers.count)]
        words.reserveCapacity(layers.reduce(3) { $0 + 2 + Int($1.blockCount) * Self.wordsPerBlock })
        for layer in layers {
            words += [UInt64(layer.capacity), UInt64(layer.count)]
            words += UnsafeBufferPointer(start: layer.blocks, count: Int(layer.blockCount) * Self.wordsPerBlock)
        }
        for index in words.indices { words[index] = words[index].littleEndian }
        words.append(words.withUnsafeBytes { RecordChecksum.of($0) }.littleEndian)
        return words.withUnsafeBytes { Array($0) }
    }

    /// Reads what `encoded` made; nil where that is damaged or of another version.
    convenience init?(decoding bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 24, bytes.count % 8 == 0 else { return nil }
        let words = (0..<bytes.count / 8).map {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self))
        }
        let content = words.dropLast()
        let checksum = RecordChecksum.of(UnsafeRawBufferPointer(rebasing: bytes.dropLast(8)))
        guard words.last == checksum, content[0] == Self.codingVersion else { return nil }
        self.init()
        var rest = content.dropFirst(2)
        for _ in 0..<content[1] {
            grow()
            guard let last = layers.indices.last, rest.count >= 2,
                rest.removeFirst() == UInt64(layers[last].capacity), let count = Int(exactly: rest.removeFirst())
            else { return nil }
            let size = Int(layers[last].blockCount) * Self.wordsPerBlock
            guard rest.count >= size else { return nil }
            for (index, word) in rest.prefix(size).enumerated() { layers[last].blocks[index] = word }
            layers[last].count = count
            rest = rest.dropFirst(size)
        }
        guard rest.isEmpty else { return nil }
    }

    private static func block(_ hash: UInt64, _ layer: Layer) -> UnsafeMutablePointer<UInt64> {
        // Other bits of the hash than those that choose bits within the block: 54 of these are the low ones.
        let index = (hash &* 0x9e37_79b9_7f4a_7c15).multipliedFullWidth(by: layer.blockCount).high
        return layer.blocks + Int(index) * wordsPerBlock
    }

    private func grow() {
        let capacity = layers.last.map { $0.capacity * 4 } ?? Self.firstCapacity
        guard layers.reduce(capacity, { $0 + $1.capacity }) <= capacityMax || layers.isEmpty else { return }
        let blockCount = capacity * Self.bitsPerSession / (Self.wordsPerBlock * 64)
        // Zeroed by the kernel, page by page, when it is touched. Without memory the filter goes on as it is.
        guard let memory = calloc(blockCount * Self.wordsPerBlock, 8) else { return }
        layers.append(
            Layer(
                blocks: memory.assumingMemoryBound(to: UInt64.self), blockCount: UInt64(blockCount),
                capacity: capacity))
    }
}

extension SessionKey {
    /// The same in every process.
    package var stableHash: UInt64 { SessionFilter.finalize(hash) }
}
