import Locks
package import SessionModel

/// Writes sessions as answers show them: the state, and what follows from it for "now".
struct SessionRenderer: Sendable {
    let settings: GuidanceSettings
    let connectorStarts: ConnectorStarts

    /// Writes the session as one object.
    ///
    /// - Returns: a digest of what depends on the time, for the entity tag.
    @discardableResult
    func write(_ record: SessionRecord, now: Instant, to writer: inout JSONWriter) -> UInt32 {
        let connector = record.state.enrichment.string(.connectorId)
        let guidance = Guidance(
            record, now: now, settings: settings,
            connectorStartedAt: connector.flatMap { connectorStarts.latest($0, now: now) })
        let anomalies = Anomaly.all(of: record, now: now, settings: settings)
        record.write(to: &writer) { writer in
            guidance.writeMembers(to: &writer)
            Anomaly.writeMember(anomalies, to: &writer)
        }
        return Self.digest(guidance, anomalies)
    }

    func answer(_ record: SessionRecord, now: Instant) -> (body: [UInt8], tag: String) {
        var digest: UInt32 = 0
        let body = JSONWriter.bytes { digest = write(record, now: now, to: &$0) }
        return (body, EntityTag.text(version: record.state.version, digest: digest))
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
