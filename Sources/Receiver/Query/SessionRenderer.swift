package import Base
import HTTPServer
import SessionIndex
package import SessionModel
import SessionStore

/// Writes sessions as answers show them: the state, and what follows from it for "now".
struct SessionRenderer: Sendable {
    let settings: GuidanceSettings
    let connectorStarts: ConnectorStarts

    /// What in a session's text is not the record's alone.
    struct TimeDependence: Sendable {
        /// Of what depends on the time, for the entity tag.
        var digest: UInt32 = 0
        /// When the text will change by time alone, if it will.
        var changesAt: Instant?
        var connectorId: String?
        /// When a session was last started on that connector, as far as it matters.
        var connectorStartedAt: Instant?
    }

    /// Writes the session as one object.
    @discardableResult
    func write(_ record: SessionRecord, now: Instant, to writer: inout JSONWriter) -> TimeDependence {
        var depends = TimeDependence()
        depends.connectorId = record.state.enrichment.string(.connectorId)
        depends.connectorStartedAt = depends.connectorId.flatMap { connectorStarts.latest($0, now: now) }
        let guidance = Guidance(
            record, now: now, settings: settings, connectorStartedAt: depends.connectorStartedAt)
        let anomalies = Anomaly.all(of: record, now: now, settings: settings)
        record.write(to: &writer) { writer in
            guidance.writeMembers(to: &writer)
            Anomaly.writeMember(anomalies, to: &writer)
        }
        depends.digest = Self.digest(guidance, anomalies)
        depends.changesAt = guidance.changesAt
        if let limit = Anomaly.changesAt(of: record, now: now, settings: settings) {
            depends.changesAt = min(depends.changesAt ?? limit, limit)
        }
        return depends
    }

    func answer(_ record: SessionRecord, now: Instant) -> SessionAnswer {
        var depends = TimeDependence()
        let body = JSONWriter.bytes { depends = write(record, now: now, to: &$0) }
        return SessionAnswer(
            body: body, tag: EntityTag.text(version: record.state.version, digest: depends.digest),
            users: SessionUsers(record), depends: depends, madeAt: now)
    }

    /// Whether an answer that was made of a record earlier is what would be made of it now.
    func isRight(_ answer: SessionAnswer, now: Instant) -> Bool {
        guard now >= answer.madeAt, answer.depends.changesAt.map({ now < $0 }) ?? true else { return false }
        guard let connector = answer.depends.connectorId else { return true }
        return connectorStarts.latest(connector, now: now) == answer.depends.connectorStartedAt
    }

    /// Of everything in guidance and anomalies that is shown. Weak tags need no more than that it changes with them.
    private static func digest(_ guidance: Guidance, _ anomalies: [Anomaly]) -> UInt32 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ value: UInt64) {
            hash = (hash ^ value) &* 0x9E37_79B9_7F4A_7C15
            hash ^= hash >> 32
        }
        add(UInt64(bitPattern: Int64(guidance.effectiveStatus.rank)))
        for action in [guidance.stop, guidance.startAnother, guidance.abandon, guidance.retryPayment] {
            add(action.isAllowed ? 1 : 0)
            var reason = action.reason.rawValue
            reason.withUTF8 { bytes in
                let bytes = UnsafeRawBufferPointer(bytes)
                var position = 0
                while position + 8 <= bytes.count {
                    add(bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
                    position += 8
                }
                for byte in bytes[position...] { add(UInt64(byte)) }
            }
            add(UInt64(bitPattern: action.notBefore?.microsecondsSince1970 ?? -1))
        }
        for anomaly in anomalies { add(UInt64(bitPattern: anomaly.bit)) }
        return UInt32(truncatingIfNeeded: hash)
    }
}

/// A session as it was answered once, to be answered again.
final class SessionAnswer: SessionMemo {
    let tag: String
    let users: SessionUsers
    let depends: SessionRenderer.TimeDependence
    let madeAt: Instant
    private let response: Response

    init(body: [UInt8], tag: String, users: SessionUsers, depends: SessionRenderer.TimeDependence, madeAt: Instant) {
        var response = Response(json: body)
        response.add("ETag", tag)
        self.response = response
        self.tag = tag
        self.users = users
        self.depends = depends
        self.madeAt = madeAt
    }

    /// The text, and what else is usual.
    var bytes: Int { response.body.count + 512 }

    func response(_ preconditions: Preconditions) -> Response {
        guard preconditions.matchesAnything else { return Response(.preconditionFailed) }
        if let known = preconditions.ifNoneMatch, EntityTag.isMatched(by: known, tag: tag) { return .notModified(tag) }
        return response
    }
}

/// When sessions were last started on each connector, as far as our own start requests tell: the cooldown of a connector
/// concerns every session on it. Holds no more than the starts of one cooldown.
package final class ConnectorStarts: Sendable {
    private struct State {
        var latest: [String: Instant] = [:]
        var sweptAt = Instant.earliest
    }

    private let state = Locked(State())
    private let cooldownSeconds: Int64

    package init(cooldownSeconds: Int64) {
        self.cooldownSeconds = cooldownSeconds
    }

    /// Takes note of a start.
    package func note(connectorId: String, at start: Instant) {
        state.withLock { state in
            state.latest[connectorId] = max(state.latest[connectorId] ?? start, start)
            // All that is older than a cooldown goes, once a cooldown.
            guard start >= state.sweptAt.adding(seconds: max(cooldownSeconds, 1)) else { return }
            state.sweptAt = start
            state.latest = state.latest.filter { $0.value.adding(seconds: cooldownSeconds) > start }
        }
    }

    /// The latest start on a connector, unless it is longer ago than the cooldown.
    package func latest(_ connectorId: String, now: Instant) -> Instant? {
        state.withLock { state in
            state.latest[connectorId].flatMap { $0.adding(seconds: cooldownSeconds) > now ? $0 : nil }
        }
    }
}
