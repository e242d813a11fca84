import Compression
import Glibc
import Testing

@Suite struct GzipStreamTests {
    @Test(arguments: [1, 7, 1000, 100_000], [1, 13, 65_536])
    func `pieces of any size make the same stream`(writeSize: Int, readSize: Int) throws {
        let bytes = mixed(200_000)
        var compressed: [UInt8] = []
        let writer = try GzipWriter { compressed.append(contentsOf: $0) }
        for start in stride(from: 0, to: bytes.count, by: writeSize) {
            try writer.write(Array(bytes[start..<min(start + writeSize, bytes.count)]))
        }
        try writer.finish()
        try writer.write([1, 2, 3])
        try writer.finish()
        #expect(try gunzip(compressed, decompressedBytesMax: bytes.count) == bytes)
        #expect(try readAll(compressed, sourceSize: readSize) == bytes)
    }

    @Test func `a flush makes everything before it readable`() throws {
        var compressed: [UInt8] = []
        let writer = try GzipWriter(level: 1) { compressed.append(contentsOf: $0) }
        var expected: [UInt8] = []
        for index in 0..<10 {
            let line = Array("line \(index)\n".utf8)
            expected += line
            try writer.write(line)
            try writer.flush()
            var output = [UInt8](repeating: 0, count: expected.count)
            let reader = try GzipReader(source: chunks(compressed, size: 100))
            let count = try output.withUnsafeMutableBytes { try reader.read(into: $0) }
            #expect(count == expected.count)
            #expect(output == expected)
        }
    }

    @Test func `reads several members as one, and notices what is wrong`() throws {
        let one = try gzip(Array("one ".utf8))
        let two = try gzip(Array("two".utf8))
        #expect(try readAll(one + two, sourceSize: 1) == Array("one two".utf8))
        #expect(try readAll(one + two, sourceSize: 1000) == Array("one two".utf8))
        #expect(throws: CompressionError.truncated) { try readAll(one + two.dropLast(), sourceSize: 1) }
        #expect(throws: CompressionError.truncated) { try readAll([], sourceSize: 1) }
        #expect(throws: CompressionError.trailingGarbage) { try readAll(one + [0], sourceSize: 1000) }
        #expect(throws: CompressionError.corrupt) { try readAll(Array("plain text".utf8), sourceSize: 3) }
    }

    @Test func `goes through a file`() throws {
        let bytes = mixed(300_000)
        var name = Array("/tmp/chargefold-gzip-XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        defer {
            close(descriptor)
            unlink(name)
        }
        let writer = try GzipWriter(fileDescriptor: descriptor)
        try writer.write(bytes)
        try writer.finish()
        lseek(descriptor, 0, SEEK_SET)
        let reader = try GzipReader(fileDescriptor: descriptor)
        var output = [UInt8](repeating: 0, count: bytes.count + 1)
        #expect(try output.withUnsafeMutableBytes { try reader.read(into: $0) } == bytes.count)
        #expect(Array(output.dropLast()) == bytes)
        #expect(try output.withUnsafeMutableBytes { try reader.read(into: $0) } == 0)
        #expect(throws: CompressionError.file(errno: EBADF)) {
            try GzipWriter(fileDescriptor: -1).finish()
        }
    }

    private func readAll(_ compressed: [UInt8], sourceSize: Int) throws -> [UInt8] {
        let reader = try GzipReader(source: chunks(compressed, size: sourceSize))
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 5000)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try reader.read(into: $0) }
            if count == 0 { return result }
            result += buffer[..<count]
        }
    }

    private func chunks(_ bytes: [UInt8], size: Int) -> GzipReader.Source {
        var rest = bytes[...]
        return { buffer in
            let count = min(size, buffer.count, rest.count)
            buffer.copyBytes(from: rest.prefix(count))
            rest = rest.dropFirst(count)
            return count
        }
    }
}
