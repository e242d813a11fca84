package import Base

/// What follows from the set of facts known about a session. Nothing in it depends on the order of arrival or on repeats.
package struct SessionState: Sendable, Equatable {
    package let sessionId: String
    package internal(set) var status: SessionStatus = .unknown
    /// When the status began, and not when it was last heard of: of the facts that report a status, in the order that
    /// decides, the timestamp of the first one of the unbroken run at the end that reports this one. nil where none
    /// does.
    package internal(set) var statusSince: Instant?
    /// From the greatest fact, in the order that decides, that says whose the session is.
    package internal(set) var userId: String?
    /// All users that facts name as the owner, by bytes. More than one: the facts disagree.
    package internal(set) var userIds: [String] = []
    /// The earliest STARTED that a callback reported; failing that, what the Drive API says.
    package internal(set) var startTime: Instant?
    /// The latest STOPPED.
    package internal(set) var stopTime: Instant?
    /// When a client first gave the session up.
    package internal(set) var abandonedAt: Instant?
    /// In the order of `FeeNotice.order`.
    package internal(set) var fees: [FeeNotice] = []
    /// The number of distinct facts.
    package internal(set) var version = 0
    /// Where the fact that decided the status stands in the record's facts.
    package internal(set) var decidingIndex: Int?
    /// Where the fact that `statusSince` is from stands in the record's facts.
    package internal(set) var sinceIndex: Int?
    /// What payloads tell of the session beyond its status.
    package internal(set) var enrichment = Enrichment()

    init(sessionId: String) {
        self.sessionId = sessionId
    }

    package var userIdConflict: Bool { userIds.count > 1 }
}
