import HTTPServer
import SessionModel

/// The calls of the API.
extension SandboxHandler {
    func start(_ user: String, _ body: [UInt8]) throws(SandboxError) -> Response {
        guard let connector = try object(body).string("connectorId"), !connector.isEmpty else {
            throw SandboxError(400, "BAD_REQUEST", "connectorId is missing.")
        }
        let answer = try perform { (world, time) throws(World.Refusal) in
            try world.start(user: user, connector: connector, at: time)
        }
        return .json { writer in
            writer.beginObject()
            switch answer {
            case .session(let id): writer.field("sessionId", id)
            case .mustSign(let secret): writer.field("threeDSClientSecret", secret)
            }
            writer.endObject()
        }
    }

    func stop(_ user: String, _ id: String) throws(SandboxError) -> Response {
        try perform { (world, time) throws(World.Refusal) in try world.stop(user: user, sessionId: id, at: time) }
        return Response(status: 200)
    }

    func session(_ user: String, _ id: String) throws(SandboxError) -> Response {
        let body = try perform { (world, time) throws(World.Refusal) in
            var writer = JSONWriter()
            world.sessions[try world.number(of: id, userId: user)].write(to: &writer, at: time)
            return writer.bytes
        }
        return Response(status: 200, contentType: "application/json", body: body)
    }

    func receipt(_ user: String, _ id: String) throws(SandboxError) -> Response {
        let url = try perform { (world, time) throws(World.Refusal) in
            try world.receipt(user: user, sessionId: id, at: time)
        }
        return .json { writer in
            writer.beginObject()
            writer.field("url", url)
            writer.endObject()
        }
    }

    func retryPayment(_ user: String, _ id: String) throws(SandboxError) -> Response {
        try perform { (world, _) throws(World.Refusal) in try world.retryPayment(user: user, sessionId: id) }
        return .json { writer in
            writer.beginObject()
            writer.field("balanceStatus", "PAID")
            writer.endObject()
        }
    }

    func history(_ user: String, _ body: [UInt8]) throws(SandboxError) -> Response {
        let query = try historyQuery(try object(body))
        let body = try perform { (world, time) throws(World.Refusal) in
            let page = world.history(user: user, query)
            var writer = JSONWriter(capacity: 4096)
            writer.beginObject()
            writer.key("sessions")
            writer.beginArray()
            for number in page.numbers { world.sessions[number].write(to: &writer, at: time) }
            writer.endArray()
            if let cursor = page.cursor { writer.field("cursor", Cursor.text(cursor)) }
            writer.field("count", page.numbers.count)
            writer.endObject()
            return writer.bytes
        }
        return Response(status: 200, contentType: "application/json", body: body)
    }

    private func historyQuery(_ json: CanonicalJSON) throws(SandboxError) -> World.HistoryQuery {
        var query = World.HistoryQuery()
        if let statuses = json.member("sessionStatus"), !statuses.isNull {
            query.statuses = statuses.elements.compactMap(\.string)
            guard statuses.bytes.first == UInt8(ascii: "["), query.statuses.count == statuses.elements.count else {
                throw SandboxError(400, "BAD_REQUEST", "sessionStatus is not an array of statuses.")
            }
        }
        query.chargingKeyId = json.string("chargingKeyId")
        for (name, path) in [
            ("startTime" as StaticString, \World.HistoryQuery.startTime), ("endTime", \World.HistoryQuery.endTime),
        ] {
            guard let value = json.member(name), !value.isNull else { continue }
            guard let instant = json.instant(name) else {
                throw SandboxError(400, "BAD_REQUEST", "\(name) is not an RFC 3339 timestamp.")
            }
            query[keyPath: path] = instant
        }
        if let limit = json.member("limit"), !limit.isNull {
            guard let number = limit.integer, (1...1000).contains(number) else {
                throw SandboxError(400, "BAD_REQUEST", "limit is not a number from 1 to 1000.")
            }
            query.limit = number
        }
        if let cursor = json.member("cursor"), !cursor.isNull {
            guard let number = cursor.string.flatMap({ Cursor.number($0) }) else {
                throw SandboxError(400, "BAD_REQUEST", "cursor is not one of this API.")
            }
            query.before = number
        }
        return query
    }

    /// A place in the list of sessions, opaque to clients.
    enum Cursor {
        static func text(_ number: Int) -> String { "c" + String(number, radix: 36) }
        static func number(_ text: String) -> Int? {
            guard text.first == "c", let number = Int(text.dropFirst(), radix: 36), number >= 0 else { return nil }
            return number
        }
    }
}
