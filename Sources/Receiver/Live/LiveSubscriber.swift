internal import Base
import HTTPServer
import SessionModel

/// Whose changes a stream tells.
enum LiveScope: Hashable, Sendable {
    case session(SessionKey)
    case user(SessionKey)
    case everything

    func covers(_ session: SessionOutline) -> Bool { covers(session.sessionId, of: session.state.userId) }

    func covers(_ record: SessionRecord) -> Bool { covers(record.sessionId, of: record.state.userId) }

    private func covers(_ sessionId: String, of userId: String?) -> Bool {
        switch self {
        case .session(let key): SessionKey(sessionId) == key
        case .user(let key): userId.map { SessionKey($0) } == key
        case .everything: true
        }
    }
}

/// One open stream. Everything mutable is confined to the hub's queue.
///
/// `@unchecked Sendable`: see above; the stream itself may be written from any thread.
final class LiveSubscriber: @unchecked Sendable {
    let scope: LiveScope
    /// What its reader may see. A session may become another user's while the stream is open.
    let grant: AccessGrant
    let stream: ResponseStream
    /// Its reader's place, held for as long as the stream is.
    var share: Share?
    let bufferBytesMax: Int
    /// While the stream still catches up with the log, what happens meanwhile waits here.
    private var held: [UInt8]?
    private var hasOverflowed = false
    private let heldBytes: HeldBytes
    var heartbeatSlot = 0

    init(
        scope: LiveScope, grant: AccessGrant, stream: ResponseStream, bufferBytesMax: Int, catchesUp: Bool,
        heldBytes: HeldBytes
    ) {
        self.scope = scope
        self.grant = grant
        self.stream = stream
        self.bufferBytesMax = min(bufferBytesMax, stream.bufferBytesMax)
        held = catchesUp ? [] : nil
        self.heldBytes = heldBytes
    }

    /// - Returns: false when the stream is over: its reader has gone, or is too slow.
    func send(_ bytes: [UInt8]) -> Bool {
        if let count = held?.count {
            if count + bytes.count > bufferBytesMax || !heldBytes.hasRoom(bytes.count) { hasOverflowed = true }
            if !hasOverflowed {
                held?.append(contentsOf: bytes)
                heldBytes.count += bytes.count
            }
            return true
        }
        guard stream.bufferedBytes + bytes.count <= bufferBytesMax else {
            stream.abort()
            return false
        }
        return stream.write(bytes)
    }

    /// The log has been told; now what was held back.
    ///
    /// - Returns: false when the stream is over. Where too much was held back it ends here, in good order, and the
    ///   reader resumes from the last id it has.
    func caughtUp() -> Bool {
        let bytes = held ?? []
        release()
        let isWhole = bytes.isEmpty || stream.write(bytes)
        if hasOverflowed { stream.finish() }
        return isWhole && !hasOverflowed
    }

    /// The stream has to resume from the log again.
    ///
    /// - Returns: false where it does so already: then it ends once it has, and the reader resumes.
    func resumeAgain() -> Bool {
        guard held == nil else {
            hasOverflowed = true
            return false
        }
        held = []
        return true
    }

    /// What was held back is not told.
    func release() {
        heldBytes.count -= held?.count ?? 0
        held = nil
    }

    func heartbeat() -> Bool {
        // A stream that is resuming has other things to send.
        held != nil || send(Self.comment)
    }

    /// Why a token lets nobody in any more.
    enum TokenEnd: String {
        case expired = ": the token has expired\n\n"
        /// Taken out of the configuration.
        case removed = ": the token is good no more\n\n"
    }

    /// Says that the token has ended, and ends in good order: the reader comes back, and is answered 401. What was held
    /// back is not told.
    func end(_ why: TokenEnd) {
        release()
        stream.write(Array(why.rawValue.utf8))
        stream.finish()
    }

    private static let comment = Array(": heartbeat\n\n".utf8)
}

/// What all streams hold back while they resume, bounded together. Confined to the hub's queue.
///
/// `@unchecked Sendable`: see above.
final class HeldBytes: @unchecked Sendable {
    private let bytesMax: Int
    var count = 0

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    func hasRoom(_ bytes: Int) -> Bool { count + bytes <= bytesMax }
}

/// A long poll. Confined to the hub's queue.
struct LiveWaiter {
    let key: SessionKey
    let version: Int
    /// On the hub's clock of elapsed time.
    let endsAtMicroseconds: Int64
    /// What it was asked for with.
    let grant: AccessGrant
    let isOurs: @Sendable (SessionUsers) -> Bool
    /// Called once.
    let answer: @Sendable (Ending) -> Void

    enum Ending {
        /// The version has passed.
        case changed(SessionRecord)
        /// Of the wait, or of the server.
        case over
        /// Whoever waits is let in no more.
        case tokenEnded
    }

    func isOver(_ now: Instant, _ elapsedMicroseconds: Int64) -> Bool {
        elapsedMicroseconds >= endsAtMicroseconds || grant.hasExpired(now)
    }
}
