internal import Glibc

/// Why bytes could not be decompressed, or a stream not be read or written.
package enum CompressionError: Error, Sendable, Equatable, CustomStringConvertible {
    /// More than the allowed number of decompressed bytes.
    case tooLarge(bytesMax: Int)
    /// Not gzip, or damaged: a bad header, code, length or checksum.
    case corrupt
    /// Ends before the end of a member.
    case truncated
    /// Something other than another gzip member follows the last one.
    case trailingGarbage
    /// zlib found no memory.
    case outOfMemory
    /// A file could not be read or written; the system's error number.
    case file(errno: Int32)

    package var description: String {
        switch self {
        case .tooLarge(let bytesMax): "decompresses to more than \(bytesMax) bytes"
        case .corrupt: "not gzip, or damaged"
        case .truncated: "gzip data ends early"
        case .trailingGarbage: "something that is not gzip follows the gzip data"
        case .outOfMemory: "out of memory"
        case .file(let errno): String(cString: strerror(errno))
        }
    }
}
