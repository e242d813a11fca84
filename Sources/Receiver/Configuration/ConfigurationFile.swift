internal import Glibc
internal import YAML

/// A configuration file, read once.
struct ConfigurationFile: Sendable {
    /// The longest file that is read, in bytes.
    static let bytesMax = 1 << 20

    let path: String
    private let values: [String: YAMLMapping.Value]

    /// - Throws: ``ConfigurationProblem`` as ``ReadFailure``: unreadable, or not YAML.
    init(path: String) throws(ReadFailure) {
        let bytes: [UInt8]
        do {
            bytes = try readFile(path, bytesMax: Self.bytesMax)
        } catch {
            throw ReadFailure(problem: ConfigurationProblem(nil, .file(path: path, line: nil), error.description))
        }
        try self.init(path: path, bytes: bytes)
    }

    init(path: String, bytes: [UInt8]) throws(ReadFailure) {
        self.path = path
        do {
            values = try YAMLMapping.read(bytes)
        } catch {
            throw ReadFailure(
                problem: ConfigurationProblem(nil, .file(path: path, line: error.line), error.description))
        }
    }

    /// The values that stand in it, by dotted name, in no particular order.
    var names: [String] { Array(values.keys) }

    /// What stands at a key: one text, or those of a list; nil where the file does not have the key. A key without a value
    /// holds one empty text.
    func texts(of name: String) -> [String]? { values[name]?.texts }

    func origin(of name: String) -> ConfigurationOrigin {
        .file(path: path, line: values[name]?.line)
    }

    struct ReadFailure: Error {
        let problem: ConfigurationProblem
    }
}

/// Why a file could not be read.
struct FileReadError: Error, CustomStringConvertible {
    let description: String
}

/// The bytes of a file.
func readFile(_ path: String, bytesMax: Int) throws(FileReadError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        throw FileReadError(description: "can't be opened: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 {
            if errno == EINTR { continue }
            throw FileReadError(description: "can't be read: \(String(cString: strerror(errno)))")
        }
        if count == 0 { return bytes }
        bytes.append(contentsOf: chunk[..<count])
        guard bytes.count <= bytesMax else { throw FileReadError(description: "is longer than \(bytesMax) bytes") }
    }
}
