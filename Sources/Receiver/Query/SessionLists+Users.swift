internal import Base
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

extension SessionLists {
    /// `POST /v1/users/{userId}/sessions/history`, with the Drive API's body and answer, and the same as a query:
    /// `GET /v1/users/{userId}/sessions`.
    func answerHistory(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let userId = call.path.userId
        let history: HistoryRequest
        if call.request.head.isMethod("POST") {
            history = try HistoryRequest(json: Array(call.request.body))
        } else {
            let query = try QueryParameters(of: call.request.head.query)
            history = try HistoryRequest(query)
        }
        let context = history.context(userId: userId)
        let selection = history.selection(
            userId: userId, after: try cursors.sortKey(history.cursor, context: context), now: clock(),
            renderer.settings)
        select(
            selection.visible(to: call.grant), context: context, address: ListAddress(call.request.head), call.exchange)
    }

    /// `GET /v1/users/{userId}/sessions/active`: what is going on now, the latest first. A start that has timed out is
    /// not.
    func answerActive(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let userId = call.path.userId
        let query = try QueryParameters(of: call.request.head.query)
        let history = try HistoryRequest(query)
        let context = Array("active ".utf8) + history.context(userId: userId)
        let now = clock()
        let settings = renderer.settings
        var selection = SessionSelection(.ongoing(userId: userId), limit: history.limit)
        selection.after = try cursors.sortKey(history.cursor, context: context)
        selection.condition = { $0.effectiveStatus(at: now, settings: settings).status != .failed }
        select(
            selection.visible(to: call.grant), context: context, address: ListAddress(call.request.head), call.exchange)
    }

    /// Answers a page as the Drive API does: `{"sessions":[…],"cursor":"…","count":n}`, without `cursor` on the last one.
    ///
    /// - Parameters:
    ///   - address: of the list, for a link to its next page; nil where it has none.
    ///   - showsQuestions: says of each session when it is asked about next.
    func select(
        _ selection: SessionSelection, context: [UInt8], address: ListAddress?, showsQuestions: Bool = false,
        _ exchange: Exchange
    ) {
        others.whenCurrent(exchange) { [self] exchange in
            answerPage(selection, context: context, address: address, showsQuestions: showsQuestions, exchange)
        }
    }

    private func answerPage(
        _ selection: SessionSelection, context: [UInt8], address: ListAddress?, showsQuestions: Bool,
        _ exchange: Exchange
    ) {
        let now = clock()
        store.select(selection) { [self] result in
            switch result {
            case .success(let page):
                guard showsQuestions, let reconciler else {
                    return exchange.respond(render(page, context: context, address: address, now: now))
                }
                Task(executorPreference: BackgroundExecutor.shared) {
                    let questions = await reconciler.questions(about: page.records.map(\.sessionId))
                    exchange.respond(render(page, context: context, address: address, now: now, questions))
                }
            case .failure(let error): exchange.respond(Response(Problem(error, .storeUnreadable)))
            }
        }
    }

    private func render(
        _ page: SessionPage, context: [UInt8], address: ListAddress?, now: Instant,
        _ questions: [SessionKey: (at: Instant?, tries: Int)] = [:]
    ) -> Response {
        var writer = JSONWriter(capacity: 256 + page.records.count * 1024)
        writer.beginObject()
        writer.key("sessions")
        writer.beginArray()
        for record in page.records {
            let question = questions[SessionKey(record.sessionId)]
            renderer.write(record, now: now, to: &writer) { writer in
                guard let question else { return }
                writer.key("nextQuestion")
                writer.beginObject()
                writer.field("at", question.at)
                writer.field("tries", question.tries)
                writer.endObject()
            }
        }
        writer.endArray()
        let cursor = page.next.flatMap { cursors.text($0, context: context) }
        if let cursor { writer.field("cursor", cursor) }
        writer.field("count", page.records.count)
        writer.endObject()
        var response = Response(json: writer.bytes)
        if let cursor, let address { response.add("Link", address.link(toPageFrom: cursor)) }
        return response
    }
}

extension SessionSelection {
    /// Without the sessions that whoever asks may not see: those that another user is named in as well.
    func visible(to grant: AccessGrant) -> SessionSelection {
        if grant.allowsEverything { return self }
        var selection = self
        let condition = condition
        selection.condition = { grant.allows($0) && condition?($0) ?? true }
        return selection
    }
}
