/// Why the store could not do what it was asked.
package struct StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Stable codes; cases may be added.
    package struct Code: Sendable, Hashable, RawRepresentable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        /// Not durable now; the same call may succeed later (disk full, device error).
        package static let unavailable = Code(rawValue: "UNAVAILABLE")
        /// The bounded queue has no room.
        package static let queueFull = Code(rawValue: "QUEUE_FULL")
        /// Another process owns the data directory.
        package static let locked = Code(rawValue: "LOCKED")
        /// Written by a newer release than this one.
        package static let newerSchema = Code(rawValue: "NEWER_SCHEMA")
        /// A file is damaged or not ours.
        package static let damaged = Code(rawValue: "DAMAGED")
        /// The log is not the one that the rest of the data directory knows, or is shorter.
        package static let lostLog = Code(rawValue: "LOST_LOG")
        /// Files of the data directory were removed or replaced while it is in use.
        package static let filesMoved = Code(rawValue: "FILES_MOVED")
        /// The data directory cannot be created, opened or read.
        package static let directory = Code(rawValue: "DIRECTORY")
        /// The store was opened for reading only.
        package static let readOnly = Code(rawValue: "READ_ONLY")
        /// Sessions are being made again from the log; queries can be answered when that is done.
        package static let catchingUp = Code(rawValue: "CATCHING_UP")
        /// The user or the session was erased while the work that this was to end was under way.
        package static let erased = Code(rawValue: "ERASED")
        /// More receivers, or lives of receivers, than a log can hold deliveries of.
        package static let originsFull = Code(rawValue: "TOO_MANY_ORIGINS")
        /// Deliveries between what is here and what was to be added are missing.
        package static let placesMissing = Code(rawValue: "PLACES_MISSING")
        /// The store is closed.
        package static let closed = Code(rawValue: "CLOSED")
    }

    package let code: Code
    /// For an operator; holds no body and no secret.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package static let catchingUp = StoreError(.catchingUp, "sessions are being made again from the log")

    package static let erased = StoreError(.erased, "what this is about was erased meanwhile")

    package var description: String { message }
}
