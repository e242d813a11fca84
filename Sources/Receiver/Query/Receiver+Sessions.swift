import HTTPServer
import SessionModel
import SessionStore

extension Receiver {
    /// `GET /v1/sessions/{sessionId}`: the current state, with an entity tag made of the version.
    func answerSession(_ id: String, _ request: borrowing Request, _ exchange: Exchange) {
        let known = request.head.header("if-none-match").map { Array($0) }
        answerRecord(id, request, exchange) { record in
            let tag = EntityTag.text(version: record.state.version)
            if let known, EntityTag.isMatched(by: known, tag: tag) {
                var response = Response(status: 304)
                response.add("ETag", tag)
                response.add("Cache-Control", "no-store" as StaticString)
                return response
            }
            var response = Response(json: record.sessionJSON())
            response.add("ETag", tag)
            return response
        }
    }

    /// `GET /v1/sessions/{sessionId}/facts`: every fact, in fold order, and which one decided and why.
    func answerFacts(_ id: String, _ request: borrowing Request, _ exchange: Exchange) {
        answerRecord(id, request, exchange) { Response(json: $0.factsJSON) }
    }

    private func answerRecord(
        _ id: String, _ request: borrowing Request, _ exchange: Exchange,
        _ answer: @escaping @Sendable (SessionRecord) -> Response
    ) {
        guard let grant = grant(request, exchange) else { return }
        store.session(id) { result in
            switch result {
            case .success(let record?) where grant.allows(record): exchange.respond(answer(record))
            case .success: exchange.respond(Response(.sessionNotFound))
            case .failure(let error): exchange.respond(Response(Problem(error, .storeUnreadable)))
            }
        }
    }
}

/// Entity tags of sessions (RFC 9110 section 8.8.3). They are weak: the account of deliveries in the answer may differ
/// while the state, and so its version, is the same.
enum EntityTag {
    static func text(version: Int) -> String { "W/\"\(version)\"" }

    /// Whether an `If-None-Match` value holds the tag, by weak comparison (RFC 9110 section 13.1.2).
    static func isMatched(by header: [UInt8], tag: String) -> Bool {
        let opaque = Array(tag.utf8.drop { $0 != UInt8(ascii: "\"") })
        for candidate in header.split(separator: UInt8(ascii: ",")) {
            let isBlank = { (byte: UInt8) in byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
            var text = candidate.drop(while: isBlank)
            while let last = text.last, isBlank(last) { text.removeLast() }
            if text.elementsEqual("*".utf8) { return true }
            if text.starts(with: "W/".utf8) { text = text.dropFirst(2) }
            if text.elementsEqual(opaque) { return true }
        }
        return false
    }
}
