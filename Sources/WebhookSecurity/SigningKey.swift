internal import COpenSSL

/// HMAC-SHA512 under one key (RFC 2104), with the two key blocks hashed once: a message then costs a copy of a state
/// and its own blocks, and no allocation.
// @unchecked: the states are written in `init` only.
final class SigningKey: @unchecked Sendable {
    /// Bytes of a code.
    static let codeCount = 64

    private static let blockCount = 128
    private let states: UnsafeMutablePointer<SHA512_CTX>

    init(_ secret: SecretKey) {
        states = .allocate(capacity: 2)
        states.initialize(repeating: SHA512_CTX(), count: 2)
        withUnsafeTemporaryAllocation(byteCount: Self.blockCount, alignment: 16) { block in
            // RFC 2104: a key longer than a block is replaced by its digest, a shorter one filled with zeros.
            block.initializeMemory(as: UInt8.self, repeating: 0)
            secret.withUnsafeBytes { key in
                if key.count > Self.blockCount {
                    SHA512_Init(&states[0])
                    SHA512_Update(&states[0], key.baseAddress, key.count)
                    SHA512_Final(block.baseAddress?.assumingMemoryBound(to: UInt8.self), &states[0])
                } else {
                    block.copyMemory(from: key)
                }
            }
            for (index, pad) in [(0, UInt8(0x36)), (1, 0x36 ^ 0x5C)] {
                for position in block.indices { block[position] ^= pad }
                SHA512_Init(&states[index])
                SHA512_Update(&states[index], block.baseAddress, block.count)
            }
            OPENSSL_cleanse(block.baseAddress, block.count)
        }
    }

    deinit {
        OPENSSL_cleanse(states, 2 * MemoryLayout<SHA512_CTX>.stride)
        states.deallocate()
    }

    /// Writes the code of `message` to the 64 bytes at `code`.
    func authenticate(_ message: UnsafeRawBufferPointer, into code: UnsafeMutablePointer<UInt8>) {
        var context = states[0]
        SHA512_Update(&context, message.baseAddress, message.count)
        SHA512_Final(code, &context)
        context = states[1]
        SHA512_Update(&context, code, Self.codeCount)
        SHA512_Final(code, &context)
    }
}
