import Base
import SessionIndex
import WebhookSecurity

/// Where a page of a list begins, as a text that clients hand back: opaque, and bound to the list that it belongs to.
struct PageCursor {
    let seal: Seal

    func text(_ sortKey: SortKey, context: [UInt8]) -> String? {
        var content: [UInt8] = []
        for value in [sortKey.key, sortKey.tie] {
            withUnsafeBytes(of: value.littleEndian) { content.append(contentsOf: $0) }
        }
        return seal.close(content, context: context)
    }

    /// What a cursor stands for, nil without a cursor.
    func sortKey(_ text: String?, context: [UInt8]) throws(Problem) -> SortKey? {
        guard let text else { return nil }
        guard let content = seal.open(text, context: context), content.count == 16 else { throw .invalidCursor }
        let values = content.withUnsafeBytes { bytes in
            [0, 8].map { Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Int64.self)) }
        }
        return SortKey(key: values[0], tie: values[1])
    }
}
