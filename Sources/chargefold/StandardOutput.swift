import Compression
import Glibc

/// Buffered standard output, compressed if wanted.
final class StandardOutput {
    private static let bufferBytes = 256 << 10

    private var buffer: [UInt8] = []
    private let gzip: GzipWriter?
    private var brokenErrno: Int32 = 0

    init(gzip: Bool) throws {
        signal(SIGPIPE, SIG_IGN)
        self.gzip = gzip ? try GzipWriter(fileDescriptor: STDOUT_FILENO) : nil
    }

    /// - Returns: false when nobody reads any more, or the disk is full.
    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        buffer += bytes
        if buffer.count >= Self.bufferBytes { flush() }
        return brokenErrno == 0
    }

    /// - Throws: an exit code, when not everything could be written.
    func finish() throws {
        flush()
        if let gzip, brokenErrno == 0 {
            do { try gzip.finish() } catch { throw failure("standard output: \(error)") }
        }
        // A reader that has seen enough (`head`) is no failure.
        if brokenErrno != 0 && brokenErrno != EPIPE {
            throw failure("standard output: \(String(cString: strerror(brokenErrno)))")
        }
    }

    private func flush() {
        defer { buffer.removeAll(keepingCapacity: true) }
        guard brokenErrno == 0 else { return }
        if let gzip {
            do { try gzip.write(buffer) } catch { brokenErrno = errno == 0 ? EIO : errno }
            return
        }
        var rest = buffer[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                brokenErrno = errno
                return
            }
        }
    }
}
