import Glibc
import Logging
import Receiver
import Testing
import WebhookSecurity

/// The key of tokens and cursors: made once, and never written over.
@Suite struct SealKeyFileTests {
    private let directory = TestDirectory()

    private func make(_ bytes: [UInt8]) {
        let descriptor = open(directory.file(SealKeyFile.name), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        _ = write(descriptor, bytes, bytes.count)
    }

    private func load() throws -> SecretKey {
        try SealKeyFile.load(
            directory: directory.path, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func `it is the same at every start`() throws {
        let first = try load()
        let second = try load()
        first.withUnsafeBytes { one in
            second.withUnsafeBytes { other in #expect(one.elementsEqual(other)) }
        }
    }

    @Test(arguments: [0, 31, 33]) func `a file that is no key is kept aside, and one is made`(count: Int) throws {
        make([UInt8](repeating: 7, count: count))
        let made = try load()
        var status = stat()
        #expect(stat(directory.file(SealKeyFile.name + ".damaged-1"), &status) == 0 && Int(status.st_size) == count)
        let again = try load()
        made.withUnsafeBytes { one in again.withUnsafeBytes { #expect(one.elementsEqual($0)) } }
    }

    @Test func `one that cannot be read stops the start, too`() throws {
        #expect(mkdir(directory.file(SealKeyFile.name), 0o700) == 0)
        #expect(throws: SealKeyFile.Unusable.self) { try load() }
    }
}
