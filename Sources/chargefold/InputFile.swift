import Compression
import Glibc

/// Files named on the command line, where `-` is standard input.
enum InputFile {
    /// Opens a file for reading.
    ///
    /// - Throws: an exit code, after the reason was printed.
    static func open(_ path: String) throws -> Int32 {
        if path == "-" { return STDIN_FILENO }
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("\(path): \(String(cString: strerror(errno)))") }
        return descriptor
    }

    /// All of a file.
    ///
    /// - Throws: an exit code, after the reason was printed.
    static func readAll(_ path: String) throws -> [UInt8] {
        let descriptor = try open(path)
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { return content }
            if count > 0 {
                content += buffer[..<count]
            } else if errno != EINTR {
                throw failure("\(path): \(String(cString: strerror(errno)))")
            }
        }
    }
}

/// The lines of several files, one after the other, in constant memory; gzip is recognised by its first bytes.
final class InputLines {
    private static let bufferBytes = 256 << 10

    private var paths: ArraySlice<String>
    private var descriptor: Int32 = -1
    private var path = ""
    private var gzip: GzipReader?
    private var peeked: [UInt8] = []
    private var buffer: [UInt8] = []
    private var start = 0

    /// Bytes read so far, as they are in the files.
    private(set) var bytesRead: Int64 = 0
    /// Bytes of all files; 0 where that is not known.
    let bytesTotal: Int64

    init(_ paths: [String]) {
        self.paths = paths[...]
        var total: Int64 = 0
        for path in paths {
            var status = stat()
            guard path != "-", stat(path, &status) == 0 else {
                total = 0
                break
            }
            total += Int64(status.st_size)
        }
        bytesTotal = total
    }

    /// The next line without its line feed; empty lines are passed over. nil at the end of the last file.
    ///
    /// - Throws: an exit code, after the reason was printed.
    func next() throws -> [UInt8]? {
        while true {
            if let end = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[start..<end]
                start = end + 1
                if line.isEmpty { continue }
                return Array(line)
            }
            buffer.removeFirst(start)
            start = 0
            guard try fill() else { return nil }
        }
    }

    /// Reads on. At the end of a file a line feed is added, so that lines never run over from one file to the next.
    ///
    /// - Returns: false at the end of the last file.
    private func fill() throws -> Bool {
        if descriptor < 0 {
            guard let next = paths.popFirst() else { return false }
            path = next
            descriptor = try InputFile.open(next)
            try recogniseGzip()
        }
        var chunk = [UInt8](repeating: 0, count: Self.bufferBytes)
        let count: Int
        do {
            count = try chunk.withUnsafeMutableBytes { bytes in
                if let gzip { return try gzip.read(into: bytes) }
                return try readRaw(bytes)
            }
        } catch let error as CompressionError {
            throw failure("\(path): \(error)")
        }
        if count == 0 {
            closeFile()
            buffer.append(UInt8(ascii: "\n"))
        }
        buffer += chunk[..<count]
        return true
    }

    /// The first bytes are put back: they come out of the next `readRaw`.
    private func recogniseGzip() throws {
        var first = [UInt8](repeating: 0, count: 4_096)
        let count = try first.withUnsafeMutableBytes { try readRaw($0) }
        peeked = Array(first[..<count])
        if looksLikeGzip(peeked) { gzip = try GzipReader { [unowned self] in try readRaw($0) } }
    }

    private func readRaw(_ bytes: UnsafeMutableRawBufferPointer) throws -> Int {
        if !peeked.isEmpty {
            let count = min(peeked.count, bytes.count)
            bytes.copyBytes(from: peeked[..<count])
            peeked.removeFirst(count)
            return count
        }
        while true {
            let count = read(descriptor, bytes.baseAddress, bytes.count)
            if count >= 0 {
                bytesRead += Int64(count)
                return count
            }
            if errno != EINTR { throw failure("\(path): \(String(cString: strerror(errno)))") }
        }
    }

    private func closeFile() {
        if descriptor != STDIN_FILENO { close(descriptor) }
        descriptor = -1
        gzip = nil
    }
}
