import Compression
import Testing

@Suite struct GzipTests {
    static let event = Array(
        #"{"event":"SESSION_STARTED","payload":{"sessionId":"L60XMxWy0oP","timestamp":"2025-06-12T10:56:51Z"}}"#.utf8)

    @Test(arguments: [0, 1, 150, 16_383, 16_384, 16_385, 1_000_000], [1, 6, 9, 42])
    func `what was compressed comes back`(count: Int, level: Int) throws {
        let bytes = mixed(count)
        let compressed = try gzip(bytes, level: level)
        #expect(looksLikeGzip(compressed))
        #expect(try gunzip(compressed, decompressedBytesMax: count) == bytes)
    }

    @Test func `reads what the gzip command wrote, with a name in the header`() throws {
        // printf 'hello\n' > hello && gzip -n9 -c hello, with FNAME "hello" as `gzip` writes it without -n
        let bytes: [UInt8] = [
            0x1F, 0x8B, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x68, 0x65, 0x6C, 0x6C, 0x6F, 0x00, 0xCB, 0x48,
            0xCD, 0xC9, 0xC9, 0xE7, 0x02, 0x00, 0x20, 0x30, 0x3A, 0x36, 0x06, 0x00, 0x00, 0x00,
        ]
        #expect(try gunzip(bytes, decompressedBytesMax: 100) == Array("hello\n".utf8))
    }

    @Test func `the limit counts decompressed bytes, exactly`() throws {
        for count in [1, 100, 16_384, 65_536] {
            let compressed = try gzip(mixed(count))
            #expect(try gunzip(compressed, decompressedBytesMax: count).count == count)
            #expect(throws: CompressionError.tooLarge(bytesMax: count - 1)) {
                try gunzip(compressed, decompressedBytesMax: count - 1)
            }
        }
    }

    @Test func `a bomb is stopped at the limit`() throws {
        let bomb = try gzip([UInt8](repeating: 0, count: 64 << 20), level: 9)
        #expect(bomb.count < 70_000)
        #expect(throws: CompressionError.tooLarge(bytesMax: 65_536)) { try gunzip(bomb, decompressedBytesMax: 65_536) }
        // Many members share one limit.
        let member = try gzip([UInt8](repeating: 0, count: 1000))
        let many = Array(repeatElement(member, count: 100).joined())
        #expect(throws: CompressionError.tooLarge(bytesMax: 65_536)) { try gunzip(many, decompressedBytesMax: 65_536) }
        #expect(try gunzip(many, decompressedBytesMax: 100_000).count == 100_000)
    }

    @Test func `truncation is noticed at every byte`() throws {
        let compressed = try gzip(Self.event)
        for count in 0..<compressed.count {
            #expect(throws: CompressionError.truncated) {
                try gunzip(Array(compressed.prefix(count)), decompressedBytesMax: 1000)
            }
        }
        for count in 1..<compressed.count {
            #expect(throws: CompressionError.truncated) {
                try gunzip(compressed + compressed.prefix(count), decompressedBytesMax: 1000)
            }
        }
    }

    @Test func `no changed byte passes as another body`() throws {
        let compressed = try gzip(Self.event)
        for index in compressed.indices {
            var damaged = compressed
            damaged[index] ^= 0x10
            // Time, flags about the origin and the system are free to change; everything else must be noticed.
            if let bytes = try? gunzip(damaged, decompressedBytesMax: 1000) {
                #expect((3...9).contains(index))
                #expect(bytes == Self.event)
            }
        }
        for index in compressed.indices.suffix(8) {
            var damaged = compressed
            damaged[index] ^= 1
            #expect(throws: CompressionError.corrupt) { try gunzip(damaged, decompressedBytesMax: 1000) }
        }
    }

    @Test func `tells what is not gzip, and what follows gzip`() throws {
        let compressed = try gzip(Self.event)
        #expect(throws: CompressionError.corrupt) { try gunzip(Self.event, decompressedBytesMax: 1000) }
        #expect(throws: CompressionError.trailingGarbage) { try gunzip(compressed + [0], decompressedBytesMax: 1000) }
        #expect(throws: CompressionError.trailingGarbage) {
            try gunzip(compressed + [0x1F, 0x8C], decompressedBytesMax: 1000)
        }
        #expect(throws: CompressionError.trailingGarbage) {
            try gunzip(compressed + Self.event, decompressedBytesMax: 1000)
        }
        #expect(!looksLikeGzip(Self.event))
        #expect(!looksLikeGzip([0x1F]))
    }

    @Test func `failures leave nothing behind for the next use`() async throws {
        let good = try gzip(Self.event)
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<64 {
                group.addTask {
                    let damaged = Array(good.dropLast(index % 8 + 1))
                    #expect(throws: CompressionError.truncated) { try gunzip(damaged, decompressedBytesMax: 1000) }
                    #expect((try? gunzip(good, decompressedBytesMax: 1000)) == Self.event)
                    #expect((try? gzip(Self.event)) == good)
                }
            }
        }
    }
}

/// Bytes that compress a little: runs between pseudo-random stretches.
func mixed(_ count: Int) -> [UInt8] {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    return (0..<count).map { index in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return index / 64 % 2 == 0 ? UInt8(truncatingIfNeeded: state >> 56) : UInt8(truncatingIfNeeded: index / 64)
    }
}
