package import Base
internal import SessionModel

/// Why a body is in quarantine.
package enum QuarantineKind: Int64, Sendable, CaseIterable {
    /// Authentic, but no session event that this release understands. Kept until somebody removes it.
    case verified = 0
    /// The credentials were wrong. Kept within bounds and shares (`UnverifiedShares`).
    case unverified = 1
}

/// A body on its way into quarantine.
package struct QuarantinedBody: Sendable {
    package let receivedAt: Instant
    /// A stable reason code, such as the event decoder's or the verifier's.
    package let reason: String
    package let body: [UInt8]
    /// Whatever is needed to verify the body again (opaque to the ledger).
    package let credentials: [UInt8]
    /// Of an unverified body: whether it looks like a callback all the same, as it would with a wrong secret here. Kept
    /// apart from what does not.
    package let isPlausible: Bool

    package init(
        receivedAt: Instant, reason: String, body: [UInt8], credentials: [UInt8], isPlausible: Bool = false
    ) {
        self.isPlausible = isPlausible
        self.receivedAt = receivedAt
        self.reason = reason
        self.body = body
        self.credentials = credentials
    }

    /// Bytes it counts for against the bounds.
    var cost: Int { body.count + credentials.count + reason.utf8.count + 64 }
}

/// One entry of the quarantine.
package struct QuarantineEntry: Sendable {
    /// Ascending; never used twice.
    package let id: Int64
    package let kind: QuarantineKind
    package let content: QuarantinedBody

    package init(id: Int64, kind: QuarantineKind, content: QuarantinedBody) {
        self.id = id
        self.kind = kind
        self.content = content
    }
}

/// What the quarantine holds.
package struct QuarantineCounts: Sendable, Equatable {
    package var verifiedCount: Int64 = 0
    package var verifiedBytes: Int64 = 0
    package var unverifiedCount: Int64 = 0
    package var unverifiedBytes: Int64 = 0
    /// Unverified bodies that went because of the bounds since the ledger was opened.
    package var unverifiedDropped: Int64 = 0

    package init() {}

    /// Counts entries in (or out).
    mutating func count(_ kind: QuarantineKind, rows: Int64, bytes: Int) {
        switch kind {
        case .verified:
            verifiedCount += rows
            verifiedBytes += Int64(bytes)
        case .unverified:
            unverifiedCount += rows
            unverifiedBytes += Int64(bytes)
        }
    }
}
