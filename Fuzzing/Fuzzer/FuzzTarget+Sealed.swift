import SessionIndex
import SessionModel
import SessionStore
import WebhookSecurity

@testable import Receiver

/// What clients hand back: cursors, minted tokens, ids of live events.
extension FuzzTarget {
    private static let seal = SecretKey(utf8: "a-key-that-only-the-fuzzer-has").map { Seal(key: $0) }
    private static let userTokens = SecretKey(utf8: "a-key-that-only-the-fuzzer-has").map { UserTokens(key: $0) }
    // Nothing is ever sealed with these: libFuzzer learns from comparisons, and would hand our own seals back to us.
    private static let otherSeal = SecretKey(utf8: "a-key-that-seals-nothing").map { Seal(key: $0) }
    private static let otherTokens = SecretKey(utf8: "a-key-that-seals-nothing").map { UserTokens(key: $0) }

    /// A cursor opens in its own list only, and no other text opens as what it stands for: not one that was made up, and
    /// not one with a character changed. The bytes are the sort key, the change, and the list.
    @Sendable static func cursor(_ bytes: UnsafeRawBufferPointer) {
        guard let seal, let otherSeal else { return }
        let cursors = PageCursor(seal: seal)
        let text = String(decoding: bytes, as: UTF8.self)
        let context = Array(bytes.dropFirst(18))
        let others = PageCursor(seal: otherSeal)
        precondition((try? others.sortKey(text, context: context)) == nil, "a made-up cursor opens")
        guard bytes.count >= 18 else { return }
        let sortKey = SortKey(
            key: bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self),
            tie: bytes.loadUnaligned(fromByteOffset: 8, as: Int64.self))
        guard let own = cursors.text(sortKey, context: context) else { preconditionFailure("no cursor") }
        precondition((try? cursors.sortKey(own, context: context)) == sortKey, "round trip")
        precondition((try? cursors.sortKey(own, context: context + [0])) == nil, "opens in another list")
        let changed = altered(own, at: bytes[16], to: bytes[17])
        if changed != own {
            precondition((try? cursors.sortKey(changed, context: context)) == nil, "an altered cursor opens")
        }
    }

    /// The same of the tokens that operators mint.
    @Sendable static func userToken(_ bytes: UnsafeRawBufferPointer) {
        guard let userTokens, let otherTokens else { return }
        let text = String(decoding: bytes, as: UTF8.self)
        for token in [text, UserTokens.prefix + text] {
            precondition(otherTokens.verify(token, nowSeconds: 0) == .invalid, "a made-up token is valid")
        }
        guard bytes.count >= 10 else { return }
        let end = bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self)
        let userId = String(decoding: bytes.dropFirst(10), as: UTF8.self)
        guard let token = userTokens.mint(userId: userId, mayAct: end & 1 == 0, expiresAtSeconds: end) else {
            return precondition(userId.isEmpty || userId.utf8.count > UserTokens.userIdBytesMax, "not minted")
        }
        if end > .min {
            precondition(
                userTokens.verify(token, nowSeconds: end - 1)
                    == .valid(userId: userId, mayAct: end & 1 == 0, expiresAtSeconds: end),
                "not valid before its end")
        }
        precondition(userTokens.verify(token, nowSeconds: end) == .expired, "valid at its end")
        let changed = altered(token, at: bytes[8], to: bytes[9])
        if changed != token {
            precondition(userTokens.verify(changed, nowSeconds: .min) == .invalid, "an altered token is valid")
        }
        let header = "Bearer " + token
        let isBearer = header.utf8.withContiguousStorageIfAvailable { text in
            TokenSet.bearerToken(ofAuthorization: UnsafeRawBufferPointer(text)) != nil
        }
        precondition(isBearer != false, "can't be sent")
    }

    private static func altered(_ text: String, at position: UInt8, to byte: UInt8) -> String {
        var bytes = Array(text.utf8)
        bytes[Int(position) % bytes.count] = byte & 0x7F
        return String(decoding: bytes, as: UTF8.self)
    }

    /// An id that is understood has one text, which means the same.
    @Sendable static func liveId(_ bytes: UnsafeRawBufferPointer) {
        guard let id = LiveEventId(String(decoding: bytes, as: UTF8.self)) else { return }
        precondition(id.position >= 0, "before the log")
        guard let again = LiveEventId(id.text) else { preconditionFailure("own text refused") }
        precondition(again == id && again.text == id.text, "own text means something else")
    }

    /// What is taken for a frontier has one text, and no more origins than a log can have.
    @Sendable static func frontier(_ bytes: UnsafeRawBufferPointer) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let frontier = Frontier(text) else { return }
        precondition(frontier.text == text, "not canonical")
        precondition(frontier.sequences.count <= Frontier.originsMax, "more than allowed")
        precondition(frontier.joined(with: frontier) == frontier && frontier.covers(frontier))
    }
}
