import Glibc
import Receiver

/// A file that goes with the value.
final class TemporaryFile {
    let path: String

    init(_ text: String) throws {
        var name = Array("/tmp/chargefold-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let bytes = Array(text.utf8)
        guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count else { throw Failed() }
        close(descriptor)
    }

    deinit {
        unlink(path)
    }

    struct Failed: Error {}
}

/// Loads for a server, without the default file.
func load(_ environment: [String: String], _ file: TemporaryFile? = nil) throws -> LoadedConfiguration {
    try ReceiverConfiguration.load(path: file?.path, environment: environment, use: .server, defaultPath: nil)
}

/// The problems that keep a server from starting.
func problems(_ environment: [String: String], _ file: TemporaryFile? = nil) -> [String] {
    do {
        _ = try ReceiverConfiguration.load(path: file?.path, environment: environment, use: .server, defaultPath: nil)
        return []
    } catch {
        return error.problems.map(\.description)
    }
}

func + (left: [String: String], right: [String: String]) -> [String: String] {
    left.merging(right) { first, _ in first }
}

extension String {
    func lines(with prefix: String) -> [Substring] {
        split(separator: "\n").filter { $0.hasPrefix(prefix) }
    }
}
