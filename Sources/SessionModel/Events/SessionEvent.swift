package import Base

/// One event about one session, decoded and canonicalised: what counts for "the same fact" (domain.md, rule 5).
///
/// It never changes, so whoever passes it on or keeps it (`Fact`) shares it: one reference, where a value with its texts
/// would be five.
package final class SessionEvent: Sendable {
    /// As read: synonyms are gone, unknown names are kept.
    package let name: EventName
    package let source: FactSource
    /// 1 to 256 bytes without control characters.
    package let sessionId: String
    package let timestamp: Instant
    /// The status that the event reports; nil where it changes none.
    package let status: SessionStatus?
    /// The payload's `userId`, where it is a non-empty string.
    package let userId: String?
    /// The payload without `sessionId` and `timestamp`.
    package let payload: CanonicalJSON

    /// Whose the session is, as far as the event is a fact of that.
    package var ownerId: String? { Self.namesOwner(name, source) ? userId : nil }

    /// Whether the user that an event names is the session's owner. Upstream says whose a session is: by callbacks, answers
    /// and records, and by answering a start of ours with its id. Whoever stops a session, or does anything else to it, has
    /// only claimed that it is theirs.
    static func namesOwner(_ name: EventName, _ source: FactSource) -> Bool {
        source != .client || name == .startRequested
    }

    init(
        name: EventName, source: FactSource, sessionId: String, timestamp: Instant, status: SessionStatus?,
        userId: String?, payload: CanonicalJSON
    ) {
        self.name = name
        self.source = source
        self.sessionId = sessionId
        self.timestamp = timestamp
        self.status = status
        self.userId = userId
        self.payload = payload
    }
}

extension SessionEvent: Hashable {
    /// Whether the two are the same fact about the same session (domain.md, rule 5).
    package static func == (left: SessionEvent, right: SessionEvent) -> Bool {
        left.timestamp == right.timestamp && left.source == right.source && left.payload == right.payload
            && compareUTF8(left.sessionId, right.sessionId) == 0 && compareUTF8(left.name.text, right.name.text) == 0
            && compareUTF8(left.status?.name ?? "", right.status?.name ?? "") == 0
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(SessionKey(sessionId))
        hasher.combine(timestamp)
        hasher.combine(payload)
    }
}

/// The bounds of one event.
package struct EventLimits: Sendable, Hashable {
    /// Bytes of one body, after decompression.
    package var bodyBytesMax = 64 * 1024
    /// Objects and arrays within one another, the outermost included.
    package var depthMax = 64
    /// UTF-8 bytes of a session id.
    package var sessionIdBytesMax = 256

    package init() {}
}

/// A session id as a dictionary's key.
///
/// `String` takes canonically equivalent texts ("é" as one code point or as two) for equal; two sessions of another
/// system are the same only where their ids have the same bytes.
package struct SessionKey: Hashable, Sendable {
    package let sessionId: String

    /// Of the id's bytes. What shares sessions out by their ids goes by it too. Ids that are kept come from upstream, or from
    /// tokens whose share is bounded: nobody can fill a table with ids made to collide.
    package let hash: UInt64

    package init(_ sessionId: String) {
        self.sessionId = sessionId
        hash = FNV1a.hash(sessionId.utf8)
    }

    package static func == (left: SessionKey, right: SessionKey) -> Bool {
        left.hash == right.hash && compareUTF8(left.sessionId, right.sessionId) == 0
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(hash)
    }
}

extension SessionEvent {
    /// Of everything that makes it the fact that it is (docs/domain.md, "The fold", rule 5): equal for equal facts, and in
    /// all likelihood for no others.
    package var digest: UInt64 {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
        func mix(_ word: UInt64) {
            hash = (hash ^ word) &* 0xD6E8_FEB8_6659_FD93
            hash ^= hash >> 32
        }
        mix(UInt64(bitPattern: timestamp.seconds))
        mix(UInt64(timestamp.nanoseconds) << 8 | UInt64(source.rawValue))
        mix(payload.bytes.withUnsafeBytes { RecordChecksum.of($0) })
        for text in [sessionId, name.text, status?.name ?? ""] {
            var text = text
            mix(text.withUTF8 { RecordChecksum.of(UnsafeRawBufferPointer($0)) })
        }
        return hash
    }
}
