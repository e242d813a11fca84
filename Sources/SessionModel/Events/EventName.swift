/// The name of an event, read as domain.md says: the older names are the newer ones' synonyms, and unknown ones are kept.
///
/// Make one with `init(_:)`, so that every name has one form only.
package enum EventName: Hashable, Sendable {
    case sessionStarted
    case sessionStopped
    case sessionComplete
    case sessionStartFailed
    case sessionStopFailed
    case sessionFeeIncurring
    /// Our own request to start the session (source `client`).
    case startRequested
    /// Our own request to stop the session (source `client`).
    case stopRequested
    /// The user gave the session up (source `client`).
    case sessionAbandoned
    /// The session as the Drive API showed it (source `driveApi`).
    case driveApiSession
    /// A charge detail record (source `cdr`).
    case chargeDetailRecord
    case other(String)

    package init(_ name: String) {
        var name = name
        let known = name.withUTF8 { EventName(known: UnsafeRawBufferPointer($0)) }
        self = known ?? .other(name)
    }

    /// Nil where the name is none of those known.
    init?(known text: UnsafeRawBufferPointer) {
        func matches(_ name: StaticString) -> Bool {
            text.count == name.utf8CodeUnitCount
                && compareBytes(text, UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)) == 0
        }
        if let index = Self.knownTexts.firstIndex(where: { matches($0) }) {
            self = Self.known[index]
        } else if matches("SESSION_COMPLETED") {
            self = .sessionComplete
        } else if matches("SESSION_FAILED") {
            self = .sessionStartFailed
        } else {
            return nil
        }
    }

    /// The name as text; synonyms are gone.
    package var text: String {
        if case .other(let name) = self { return name }
        return knownText.description
    }

    /// Empty for `other`.
    var knownText: StaticString {
        switch self {
        case .sessionStarted: "SESSION_STARTED"
        case .sessionStopped: "SESSION_STOPPED"
        case .sessionComplete: "SESSION_COMPLETE"
        case .sessionStartFailed: "SESSION_START_FAILED"
        case .sessionStopFailed: "SESSION_STOP_FAILED"
        case .sessionFeeIncurring: "SESSION_FEE_INCURRING"
        case .startRequested: "SESSION_START_REQUESTED"
        case .stopRequested: "SESSION_STOP_REQUESTED"
        case .sessionAbandoned: "SESSION_ABANDONED"
        case .driveApiSession: "DRIVE_API_SESSION"
        case .chargeDetailRecord: "CHARGE_DETAIL_RECORD"
        case .other: ""
        }
    }

    /// All names but `other`; the index plus one is the code in stored records, so new ones go to the end.
    static let known: [EventName] = [
        .sessionStarted, .sessionStopped, .sessionComplete, .sessionStartFailed, .sessionStopFailed,
        .sessionFeeIncurring, .startRequested, .stopRequested, .sessionAbandoned, .driveApiSession,
        .chargeDetailRecord,
    ]

    /// The texts of `known`, to be looked through without a copy of each name.
    private static let knownTexts = known.map(\.knownText)

    /// Whether it is the name of a Session Event callback that is known.
    var isOfCallbacks: Bool { self == .sessionFeeIncurring || status(from: .webhook) != nil }

    /// The status that an event of this name reports by its name alone; nil where it changes none.
    ///
    /// A name only means something from the source it belongs to: a callback called `SESSION_START_REQUESTED` is an
    /// event of unknown name.
    package func status(from source: FactSource) -> SessionStatus? {
        switch (source, self) {
        case (.webhook, .sessionStarted): .started
        case (.webhook, .sessionStopped): .stopped
        case (.webhook, .sessionComplete): .complete
        case (.webhook, .sessionStartFailed): .failed
        case (.webhook, .sessionStopFailed): .stopFailed
        case (.client, .startRequested): .waitingToStart
        case (.client, .stopRequested): .waitingToStop
        default: nil
        }
    }
}
