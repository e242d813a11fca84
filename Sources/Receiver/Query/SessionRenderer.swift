import Base
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// Writes sessions as answers show them: the state, and what follows from it for "now".
struct SessionRenderer: Sendable {
    let settings: GuidanceSettings
    let cooldowns: ConnectorCooldowns

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
    /// - Parameter extras: writes further members.
    @discardableResult
    func write(
        _ record: SessionRecord, now: Instant, to writer: inout JSONWriter,
        extras: (inout JSONWriter) -> Void = { _ in }
    ) -> TimeDependence {
        var depends = TimeDependence()
        depends.connectorId = record.state.enrichment.string(.connectorId)
        depends.connectorStartedAt = depends.connectorId.flatMap { cooldowns.latest($0, now: now) }
        let guidance = Guidance(
            record, now: now, settings: settings, connectorStartedAt: depends.connectorStartedAt)
        let anomalies = Anomaly.all(of: record, now: now, settings: settings)
        record.write(to: &writer, now: now) { writer in
            guidance.writeMembers(to: &writer)
            Anomaly.writeMember(anomalies, to: &writer)
            extras(&writer)
        }
        depends.digest = Self.digest(guidance, anomalies)
        // The duration of a session that runs is a clock reading: not to be told wrong, and no reason for another tag.
        depends.changesAt = [
            guidance.changesAt, Anomaly.changesAt(of: record, now: now, settings: settings),
            record.state.durationChangesAt(now),
        ].compactMap { $0 }.min()
        return depends
    }

    func answer(_ record: SessionRecord, now: Instant) -> SessionAnswer {
        var depends = TimeDependence()
        let body = JSONWriter.bytes { depends = write(record, now: now, to: &$0) }
        return SessionAnswer(
            body: body,
            tag: EntityTag.text(version: record.state.version, digest: depends.digest ^ Self.digest(record)),
            users: SessionUsers(record), depends: depends, madeAt: now)
    }

    /// The session as it is at an instant.
    func response(_ record: SessionRecord, now: Instant) -> Response {
        answer(record, now: now).response(Preconditions())
    }

    /// Whether an answer that was made of a record earlier is what would be made of it now.
    func isRight(_ answer: SessionAnswer, now: Instant) -> Bool {
        guard now >= answer.madeAt, answer.depends.changesAt.map({ now < $0 }) ?? true else { return false }
        guard let connector = answer.depends.connectorId else { return true }
        return cooldowns.latest(connector, now: now) == answer.depends.connectorStartedAt
    }

    /// Of the facts: two receivers can know as many of a session, and not the same.
    private static func digest(_ record: SessionRecord) -> UInt32 {
        let digest = record.digest
        return UInt32(truncatingIfNeeded: digest ^ digest >> 32)
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
