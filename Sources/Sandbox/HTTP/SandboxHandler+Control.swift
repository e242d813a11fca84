import HTTPServer
import SessionModel

/// What a test asks of the sandbox itself, below `/sandbox`. No key is needed.
extension SandboxHandler {
    func control(_ route: Route, _ target: RequestTarget, _ body: [UInt8]) throws(SandboxError) -> Response {
        let isPost = target.method == "POST"
        switch route {
        case .truth: return isPost ? try addSessions(body) : truth()
        case .truthOf(let id): return try truth(of: id)
        case .intervene(let id, let intervention): return try intervene(intervention, id)
        case .chaos:
            if isPost { try changeChaos(body) }
            return .json { writer in sandbox.withWorld { world, _ in world.chaos }.write(to: &writer) }
        case .clock:
            if isPost { try changeClock(body) }
            return clock()
        default: return summary()
        }
    }

    /// What is there, and whether anything is still to come: a test waits until `due` and `callbacksUnderWay` are 0.
    private func summary() -> Response {
        let underWay = sandbox.unfinishedCallbacks
        let (counts, sessions, due) = sandbox.withWorld { world, _ in
            (world.counts, world.sessions.count, world.due)
        }
        return .json { writer in
            writer.beginObject()
            writer.field("sessions", sessions)
            writer.field("due", due)
            writer.field("callbacksUnderWay", underWay)
            writer.key("callbacks")
            writer.beginObject()
            writer.field("events", counts.events)
            writer.field("dropped", counts.dropped)
            writer.field("sent", counts.sent)
            writer.field("answered200", counts.answered)
            writer.field("failed", counts.failed)
            writer.endObject()
            writer.endObject()
        }
    }

    private func truth() -> Response {
        let sessions = sandbox.withWorld { world, _ in world.sessions }
        return .json { writer in
            writer.beginObject()
            writer.field("count", sessions.count)
            writer.key("sessions")
            writer.beginArray()
            for session in sessions { session.writeTruth(to: &writer) }
            writer.endArray()
            writer.endObject()
        }
    }

    private func truth(of id: String) throws(SandboxError) -> Response {
        let session = try perform { (world, _) throws(World.Refusal) in world.sessions[try world.number(of: id)] }
        return .json { session.writeTruth(to: &$0) }
    }

    private func intervene(_ intervention: World.Intervention, _ id: String) throws(SandboxError) -> Response {
        let isDone = try perform { (world, time) throws(World.Refusal) in
            try world.intervene(intervention, sessionId: id, at: time)
        }
        guard isDone else { throw SandboxError(409, "WRONG_STATE", "The session is not in a state for this.") }
        return try truth(of: id)
    }

    /// `{"userId":…,"connectorId":…,"type":"local"|"remote","count":n}`; several sessions go to as many users, and to
    /// all connectors that work, one after the other.
    private func addSessions(_ body: [UInt8]) throws(SandboxError) -> Response {
        let json = try object(body)
        let count = json.member("count")?.integer ?? 1
        guard (1...10_000).contains(count) else {
            throw SandboxError(400, "BAD_REQUEST", "count is not a number from 1 to 10000.")
        }
        let type = json.string("type") ?? "local"
        guard type == "local" || type == "remote" else {
            throw SandboxError(400, "BAD_REQUEST", "type is neither local nor remote.")
        }
        let (user, connector) = (json.string("userId"), json.string("connectorId"))
        let ids = try perform { (world, time) throws(World.Refusal) in
            var ids: [String] = []
            let connectors = world.catalog.connectorIds.filter { world.catalog.places[$0]?.behaviour == .normal }
            for index in 0..<count {
                let place = connector ?? connectors[index % connectors.count]
                let driver = (user ?? "driver") + (count > 1 ? "-\(index + 1)" : "")
                let number =
                    type == "local"
                    ? try world.startLocally(user: driver, connector: place, at: time)
                    : try world.startRemotely(user: driver, connector: place, at: time)
                ids.append(world.sessions[number].sessionId)
            }
            return ids
        }
        return .json(201) { writer in
            writer.beginObject()
            writer.key("sessionIds")
            writer.beginArray()
            for id in ids { writer.string(id) }
            writer.endArray()
            writer.endObject()
        }
    }

    private func changeChaos(_ body: [UInt8]) throws(SandboxError) {
        let json = try object(body)
        let failure: ChaosError? = sandbox.withWorld { world, _ in
            do throws(ChaosError) {
                try world.chaos.apply(json)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw SandboxError(400, "BAD_REQUEST", failure.description) }
    }

    /// `{"speed":60}`, `{"advanceSeconds":120}`, or both.
    private func changeClock(_ body: [UInt8]) throws(SandboxError) {
        let json = try object(body)
        let speed = json.member("speed")?.double
        let advance = json.member("advanceSeconds")?.double
        guard speed.map({ (0...100_000).contains($0) }) ?? true, advance.map({ (0...31_536_000).contains($0) }) ?? true,
            speed != nil || advance != nil
        else {
            throw SandboxError(
                400, "BAD_REQUEST", "Give speed (0 to 100000), advanceSeconds (0 to 31536000), or both.")
        }
        sandbox.changeClock(speed: speed, advanceSeconds: advance ?? 0)
    }

    private func clock() -> Response {
        let (speed, time, due) = sandbox.withWorld { world, time in (world.clock.speed, time, world.nextDue) }
        return .json { writer in
            writer.beginObject()
            writer.key("speed")
            writer.rawJSON(Array("\(speed)".utf8))
            writer.key("seconds")
            writer.rawJSON(Array("\(Double(time) / 1e6)".utf8))
            if let due {
                writer.key("nextDueSeconds")
                writer.rawJSON(Array("\(Double(due) / 1e6)".utf8))
            }
            writer.endObject()
        }
    }
}
