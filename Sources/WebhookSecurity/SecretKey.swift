internal import COpenSSL

/// Secret bytes: a key or a password.
///
/// The bytes live in one allocation that is shared by all copies and overwritten when the last one goes. Nothing
/// that prints, dumps or reflects a value shows them.
package struct SecretKey: Sendable {
    private let storage: Storage

    /// Copies `bytes`. The caller's copy is the caller's to clear.
    ///
    /// - Returns: `nil` for an empty secret: an HMAC under it proves nothing.
    package init?(_ bytes: some Collection<UInt8>) {
        guard !bytes.isEmpty else { return nil }
        storage = Storage(bytes)
    }

    /// Takes the UTF-8 bytes of `text`. See ``init(_:)-(Collection<UInt8>)``.
    package init?(utf8 text: String) {
        self.init(Array(text.utf8))
    }

    /// The length in bytes.
    package var count: Int { storage.bytes.count }

    /// Lends the bytes for the duration of `body`.
    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(storage) { try body(UnsafeRawBufferPointer(storage.bytes)) }
    }

    // @unchecked: the buffer is written in `init` only and never handed out mutably.
    private final class Storage: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer

        init(_ source: some Collection<UInt8>) {
            bytes = .allocate(byteCount: source.count, alignment: 16)
            bytes.copyBytes(from: source)
        }

        deinit {
            OPENSSL_cleanse(bytes.baseAddress, bytes.count)
            bytes.deallocate()
        }
    }
}

extension SecretKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "<redacted>" }
    package var debugDescription: String { "<redacted>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
