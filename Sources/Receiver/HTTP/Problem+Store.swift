internal import Base
import SessionIndex
import SessionStore

extension Problem {
    static let storeUnreadable = Problem.unavailable(
        "store-unreadable", "The store can't be read now.", retryAfterSeconds: 5)
    static let sessionsCatchingUp = Problem.unavailable(
        "sessions-catching-up",
        "Sessions are being made again from the log. Callbacks are taken meanwhile; ask again later.",
        retryAfterSeconds: 5)
    static let stillRefused = Problem(
        422, "quarantine-still-refused", "The entry is still not acceptable; it stays in quarantine.")
    static let malformedSelection = Problem(
        400, "malformed-selection", "The body must be {\"ids\":[…]} or {\"all\":true}.")

    /// What a failure of the store means for the client. The store's own message goes to the log alone.
    init(_ error: StoreError, _ problem: Problem) {
        self = error.code == .queueFull ? .overloaded : problem
        members.append(("code", .text(error.code.rawValue)))
    }
}
