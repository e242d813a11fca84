/// FNV-1a, 64 bits (Fowler, Noll and Vo): the same for the same bytes on every machine and in every run. Neither for secrets
/// nor against an adversary.
@usableFromInline
package enum FNV1a {
    @usableFromInline
    package static let start: UInt64 = 0xCBF2_9CE4_8422_2325

    /// - Parameter hash: of what stands before these bytes.
    @inlinable
    package static func hash(_ bytes: some Sequence<UInt8>, after hash: UInt64 = start) -> UInt64 {
        var hash = hash
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }
}
