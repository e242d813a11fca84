extension Resource {
    /// The resources of the gateway, of charge detail records and of downtimes; nil for all others.
    static func matchGateway(_ segments: PathSegments) -> Match? {
        if segments.count == 2, segments[0].equals("webhooks"), segments[1].equals("cdrs") {
            return .resource(.chargeDetailRecords)
        }
        guard segments[0].equals("v1") else { return nil }
        switch segments.count {
        case 2 where segments[1].equals("downtime"): return .resource(.downtime)
        case 2 where segments[1].equals("backfill"): return .resource(.backfill)
        case 4 where segments[1].equals("sessions") && segments[3].equals("cdr"):
            return ids(segments[2], segments[2]) { id, _ in .sessionRecords(id) }
        case 5 where segments[1].equals("users") && segments[3].equals("sessions") && segments[4].equals("start"):
            return ids(segments[2], segments[2]) { userId, _ in .startSession(userId: userId) }
        case 6 where segments[1].equals("users") && segments[3].equals("sessions"):
            if segments[5].equals("stop") {
                return ids(segments[2], segments[4]) { .stopSession(userId: $0, sessionId: $1) }
            }
            if segments[5].equals("receipt") {
                return ids(segments[2], segments[4]) { .receipt(userId: $0, sessionId: $1) }
            }
            if segments[5].equals("retry-payment") {
                return ids(segments[2], segments[4]) { .retryPayment(userId: $0, sessionId: $1) }
            }
            return nil
        default: return nil
        }
    }

    private static func ids(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer,
        _ resource: (String, String) -> Resource
    ) -> Match {
        guard !first.isEmpty, !second.isEmpty else { return .none }
        guard let first = PercentEncoding.decode(first), let second = PercentEncoding.decode(second) else {
            return .malformed
        }
        return .resource(resource(first, second))
    }
}

extension Resource {
    /// For whom the gateway acts.
    var actsForUser: String? {
        switch self {
        case .startSession(let userId), .stopSession(let userId, _), .receipt(let userId, _),
            .retryPayment(let userId, _):
            userId
        default: nil
        }
    }
}
