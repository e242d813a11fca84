import Dispatch
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// Pages of facts are written here, one after the other and off the event loops: a page takes milliseconds, in which
/// callbacks must not wait, and a record is only taken once its turn has come.
private let factsQueue = DispatchQueue(label: "chargefold.facts", qos: .utility)

/// Which facts of a session are asked for.
struct FactsRequest: Sendable {
    /// Facts in a page, unless the query says less.
    static let limitMax = 1_000
    /// No page begins a further fact beyond it.
    static let bytesMax = 512 << 10

    /// The same, with bodies.
    static let bodiesMax = 100

    var after: FactPlace?
    var limit: Int
    /// Whether each fact is shown with its body as it came.
    var showsBodies = false

    init(_ query: QueryParameters) throws(Problem) {
        if let text = query["after"] {
            guard let place = FactPlace(text) else {
                throw .malformedQuery.with(detail: "after must be the next of another page of facts.")
            }
            after = place
        }
        limit = Int(try query.number("limit", in: 1...Int64(Self.limitMax), else: Int64(Self.limitMax)))
        switch query["bodies"] {
        case nil, "false"?: break
        case "true"?:
            showsBodies = true
            limit = min(limit, Self.bodiesMax)
        default: throw .malformedQuery.with(detail: "bodies must be true or false.")
        }
    }
}

extension SessionQueries {
    /// `GET /v1/sessions/{sessionId}/facts`: the facts, in fold order, and which one decided and why; page by page where there
    /// are many.
    func answerFacts(_ call: borrowing Call<AccessGrant>) throws(Problem) {
        let (id, grant, exchange) = (call.path.sessionId, call.grant, call.exchange)
        let query = try QueryParameters(of: call.request.head.query)
        let facts = try FactsRequest(query)
        // What a body has besides its fact may be of no concern to whoever reads the fact.
        guard !facts.showsBodies || grant.isAdmin else { throw .insufficientScope }
        others.whenCurrent(exchange) { [self] exchange in
            factsQueue.async { [self] in
                others.lookUp(id, in: store, exchange) { [store, others] result, exchange in
                    exchange.respond(result, isShown: { grant.allows($0) }) {
                        Response(
                            json: $0.factsJSON(
                                after: facts.after, limit: facts.limit, bytesMax: FactsRequest.bytesMax,
                                durability: others.durability,
                                body: facts.showsBodies ? { store.body(of: $0) } : nil))
                    }
                }
            }
        }
    }
}

extension SessionStore {
    /// The body of the delivery that made a fact known here, as it came; nil where it is not in this log. Blocks.
    fileprivate func body(of fact: Fact) -> String? {
        guard let entry = (try? logEntry(at: fact.position)) ?? nil else { return nil }
        return String(validating: entry.body, as: UTF8.self)
    }
}
