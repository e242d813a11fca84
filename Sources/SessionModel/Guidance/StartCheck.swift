package import Base

/// Whether a user may start a session at a connector now. Worked out for an instant, never stored.
package struct StartCheck: Sendable, Equatable {
    package let connectorId: String
    package let isAllowed: Bool
    package let reason: Guidance.Reason
    /// Where it is not allowed: when it will be.
    package let notBefore: Instant?
    /// The session that is in the way, where one of the user's is.
    package let sessionId: String?

    /// - Parameters:
    ///   - records: the user's sessions that may matter: those that are going on, and the latest.
    ///   - connectorStartedAt: when anybody last started a session on the connector, as far as that is known.
    package init(
        _ records: [SessionRecord], connectorId: String, connectorStartedAt: Instant?, now: Instant,
        settings: GuidanceSettings = GuidanceSettings()
    ) {
        self.connectorId = connectorId
        var found: (action: Guidance.Action, sessionId: String?)?
        func consider(_ action: Guidance.Action, _ sessionId: String?) {
            guard !action.isAllowed else { return }
            // What lasts longest is in the way last.
            if let found, (found.action.notBefore ?? .latest) >= (action.notBefore ?? .latest) { return }
            found = (action, sessionId)
        }
        for record in records {
            let guidance = Guidance(record, now: now, settings: settings)
            if guidance.startAnother.isElsewhereAllowed, guidance.connectorId.map({ !isSame($0, connectorId) }) ?? true
            {
                continue
            }
            consider(guidance.startAnother, record.sessionId)
        }
        if let limit = connectorStartedAt?.adding(seconds: settings.connectorCooldownSeconds), now < limit {
            // By what one of the user's facts tells in whole seconds, it may be over a little earlier.
            let own = records.first { record in
                let guidance = Guidance(record, now: now, settings: settings)
                return guidance.connectorId.map { isSame($0, connectorId) } ?? false
                    && guidance.startAnother.notBefore.map { $0.adding(seconds: 1) > limit } ?? false
            }
            consider(.init(false, .cooldown, notBefore: limit), own?.sessionId)
        }
        isAllowed = found == nil
        notBefore = found?.action.notBefore
        sessionId = found?.sessionId
        let others = records.contains { $0.isOngoing } ? Guidance.Reason.severalSessionsAllowed : .nothingInTheWay
        reason = found?.action.reason ?? others
    }

    package var json: [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.beginObject()
        writer.field("connectorId", connectorId)
        writer.field("allowed", isAllowed)
        writer.field("reason", reason.rawValue)
        writer.field("notBefore", notBefore)
        if let sessionId { writer.field("sessionId", sessionId) }
        writer.endObject()
        return writer.bytes
    }
}

/// By bytes, as all ids are compared.
private func isSame(_ left: String, _ right: String) -> Bool { left.utf8.elementsEqual(right.utf8) }
