internal import Configuration
internal import Glibc
internal import Locks

/// A configuration file, read once.
struct ConfigurationFile: Sendable {
    /// The longest file that is read, in bytes.
    static let bytesMax = 1 << 20

    let path: String
    /// The values that stand in it, by dotted name, in no particular order.
    let names: [String]
    let snapshot: any ConfigSnapshot
    private let lines: [String: Int]

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
        let text = String(decoding: bytes, as: UTF8.self)
        lines = Self.findLines(text)
        let found = Locked<[String]>([])
        // The library tells no names; but it asks of every value whether it is secret. That also keeps values out
        // of anything that it prints.
        let options = YAMLSnapshot.ParsingOptions(
            secretsSpecifier: .dynamic { name, _ in
                found.withLock { $0.append(name) }
                return true
            }
        )
        do {
            // A file of comments only has no root, which the library takes for an error.
            let source = Self.isBlank(text) ? Array("{}".utf8) : bytes
            snapshot = try YAMLSnapshot(data: source.span.bytes, providerName: path, parsingOptions: options)
        } catch {
            // Only the first line: the next ones quote the file, secrets and all.
            let reason = String(describing: error).split(separator: "\n").first.map(String.init) ?? "not YAML"
            throw ReadFailure(problem: ConfigurationProblem(nil, .file(path: path, line: nil), reason))
        }
        names = found.withLock { $0 }
    }

    func origin(of name: String) -> ConfigurationOrigin {
        .file(path: path, line: lines[name])
    }

    private static func isBlank(_ text: String) -> Bool {
        text.split(whereSeparator: \.isNewline).allSatisfy { line in
            let line = line.drop(while: \.isWhitespace)
            return line.isEmpty || line.hasPrefix("#") || line == "---"
        }
    }

    /// The lines on which keys in block style stand. For messages only: whatever is written otherwise has no line.
    private static func findLines(_ text: String) -> [String: Int] {
        var lines: [String: Int] = [:]
        var parents: [(indentation: Int, name: String)] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let content = line.drop(while: { $0 == " " })
            guard let colon = content.firstIndex(of: ":"), let first = content.first, first != "#", first != "-" else {
                continue
            }
            let indentation = line.count - content.count
            parents.removeAll { $0.indentation >= indentation }
            let key = content[..<colon].filter { $0 != "\"" && $0 != "'" && $0 != " " }
            let name = (parents.map(\.name) + [key]).joined(separator: ".")
            parents.append((indentation, key))
            lines[name] = lines[name] ?? index + 1
        }
        return lines
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
