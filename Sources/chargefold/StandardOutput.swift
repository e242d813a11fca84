import Compression
import Glibc

/// Buffered standard output, compressed if wanted.
final class StandardOutput {
    private static let bufferBytes = 256 << 10

    private var buffer: [UInt8] = []
    private let writer: GzipWriter?
    private var isBroken = false

    init(gzip: Bool) throws {
        writer = gzip ? try GzipWriter() : nil
        signal(SIGPIPE, SIG_IGN)
    }

    /// - Returns: false when nobody reads any more.
    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        buffer += bytes
        if buffer.count >= Self.bufferBytes { flush(isLast: false) }
        return !isBroken
    }

    /// - Throws: an exit code, when not everything could be written.
    func finish() throws {
        flush(isLast: true)
        if isBroken && errno != EPIPE {
            throw failure("standard output: \(String(cString: strerror(errno)))")
        }
    }

    private func flush(isLast: Bool) {
        var bytes = buffer
        buffer.removeAll(keepingCapacity: true)
        if let writer {
            bytes = writer.write(bytes)
            if isLast { bytes += writer.finish() }
        }
        var rest = bytes[...]
        while !rest.isEmpty, !isBroken {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { isBroken = true }
        }
    }
}
