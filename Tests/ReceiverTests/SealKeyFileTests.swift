import Glibc
import Receiver
import Testing
import WebhookSecurity

/// The key of tokens and cursors: made once, and never made anew over one that is there.
@Suite struct SealKeyFileTests {
    private let directory = TestDirectory()

    private func make(_ bytes: [UInt8]) {
        let descriptor = open(directory.file(SealKeyFile.name), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        _ = write(descriptor, bytes, bytes.count)
    }

    @Test func `it is the same at every start`() throws {
        let first = try SealKeyFile.load(directory: directory.path)
        let second = try SealKeyFile.load(directory: directory.path)
        first.withUnsafeBytes { one in
            second.withUnsafeBytes { other in #expect(one.elementsEqual(other)) }
        }
    }

    @Test(arguments: [0, 31, 33]) func `a file that is no key stops the start, and stays`(count: Int) throws {
        make([UInt8](repeating: 7, count: count))
        #expect(throws: SealKeyFile.Unusable.self) { try SealKeyFile.load(directory: directory.path) }
        var status = stat()
        #expect(stat(directory.file(SealKeyFile.name), &status) == 0 && Int(status.st_size) == count)
    }

    @Test func `one that cannot be read stops the start, too`() throws {
        #expect(mkdir(directory.file(SealKeyFile.name), 0o700) == 0)
        #expect(throws: SealKeyFile.Unusable.self) { try SealKeyFile.load(directory: directory.path) }
    }
}
