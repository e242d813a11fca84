internal import Base
import Dispatch
import HTTPServer
import Ledger
import SessionIndex
import SessionModel
import SessionStore

/// Blocking work of operators runs here, one piece after the other.
private let operationsQueue = DispatchQueue(label: "chargefold.operations", qos: .utility)

/// What operators do with the quarantine.
struct QuarantineRequests: Sendable {
    let ledger: Ledger
    let store: any SessionStore
    let verifier: BodyVerifier
    let reconciler: Reconciler?

    /// With the secrets of today.
    private var service: QuarantineService {
        QuarantineService(
            store: store, ledger: ledger, authenticator: verifier.authenticator, bodyBytesMax: verifier.bodyBytesMax
        ) { [reconciler] in reconciler?.noted($0) }
    }

    /// `GET /v1/quarantine`, with `after` and `limit`: what is in quarantine, without the bodies.
    func list(_ call: borrowing Call<Operator>) throws(Problem) {
        guard let query = QueryParameters(call.request.head.query),
            let after = query.integer("after", in: 0...Int64.max) ?? .some(0),
            let limit = query.integer("limit", in: 1...500) ?? .some(100)
        else { throw .malformedQuery }
        operationsQueue.async { [ledger, exchange = call.exchange] in
            exchange.respond(Self.list(ledger, after: after, limit: Int(limit)))
        }
    }

    /// `GET /v1/quarantine/{id}`: an entry with its body.
    func show(_ call: borrowing Call<Operator>) {
        operationsQueue.async { [ledger, id = call.path.id, exchange = call.exchange] in
            exchange.respond(Self.show(ledger, id))
        }
    }

    /// `DELETE /v1/quarantine/{id}`
    func drop(_ call: borrowing Call<Operator>) {
        ledger.perform { [id = call.path.id, exchange = call.exchange] ledger in
            do throws(StoreError) {
                let count = try ledger.removeQuarantined([id])
                exchange.respond(count == 0 ? Response(.notFound) : .noContent)
            } catch {
                exchange.respond(Response(Problem(error, .storeUnavailable)))
            }
        }
    }

    /// `POST /v1/quarantine/retry`, for a selection of entries.
    func retryAll(_ call: borrowing Call<Operator>) throws(Problem) {
        let body = Array(call.request.body)
        try CanonicalJSON.checkMembers(of: body, names: ["ids", "all"])
        guard let selection = QuarantineSelection(json: body) else { throw .malformedSelection }
        operationsQueue.async { [self, exchange = call.exchange] in exchange.respond(retry(selection)) }
    }

    /// `POST /v1/quarantine/{id}/retry`: 200 with what became of it, 404 without such an entry, 422 with the reason
    /// where it is still refused, 503 where it can't be made durable now.
    func retryOne(_ call: borrowing Call<Operator>) {
        operationsQueue.async { [self, id = call.path.id, exchange = call.exchange] in exchange.respond(retry(id)) }
    }

    private func retry(_ id: Int64) -> Response {
        var result: QuarantineService.RetryResult?
        do throws(StoreError) {
            try service.retry([id]) { result = $0 }
        } catch {
            return Response(Problem(error, .storeUnreadable))
        }
        switch result?.outcome {
        case .accepted?, .duplicate?: return Response(json: result?.json ?? [])
        case .unknown?, nil: return Response(.notFound)
        case .refused?:
            let reason = result?.reason ?? "UNAVAILABLE"
            if reason == StoreError.Code.queueFull.rawValue { return Response(.overloaded) }
            if reason == StoreError.Code.unavailable.rawValue { return Response(.storeUnavailable) }
            return Response(.stillRefused.with(member: "code", reason))
        }
    }

    private static func list(_ ledger: Ledger, after: Int64, limit: Int) -> Response {
        do throws(StoreError) {
            let entries = try ledger.blocking { (ledger) throws(StoreError) in
                try ledger.quarantined(after: after, limit: limit)
            }
            var writer = JSONWriter()
            writer.beginObject()
            writer.key("entries")
            writer.beginArray()
            for entry in entries { writer.rawJSON(entry.json(withBody: false)) }
            writer.endArray()
            if entries.count == limit, let last = entries.last { writer.field("after", last.id) }
            writer.endObject()
            return Response(json: writer.bytes)
        } catch {
            return Response(Problem(error, .storeUnreadable))
        }
    }

    private static func show(_ ledger: Ledger, _ id: Int64) -> Response {
        do throws(StoreError) {
            let entry = try ledger.blocking { (ledger) throws(StoreError) in try ledger.quarantined(id: id) }
            guard let entry else { return Response(.notFound) }
            return Response(json: entry.json(withBody: true))
        } catch {
            return Response(Problem(error, .storeUnreadable))
        }
    }

    private func retry(_ selection: QuarantineSelection) -> Response {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("results")
        writer.beginArray()
        do throws(StoreError) {
            try service.retry(selection.ids) { writer.rawJSON($0.json) }
        } catch {
            return Response(Problem(error, .storeUnreadable))
        }
        writer.endArray()
        writer.endObject()
        return Response(json: writer.bytes)
    }
}

/// Which entries a retry is for: `{"ids":[1,2]}`, or all with `{"all":true}`.
package struct QuarantineSelection {
    /// nil for all.
    package let ids: [Int64]?

    package init?(json: [UInt8]) {
        guard let value = try? CanonicalJSON(parsing: json) else { return nil }
        var named: [Int64]?
        if let list = value.member("ids") {
            guard list.bytes.first == UInt8(ascii: "[") else { return nil }
            let elements = list.elements
            let parsed = elements.compactMap { Int64($0.text) }
            guard parsed.count == elements.count else { return nil }
            named = parsed
        }
        if value.member("all")?.text == "true" { named = nil } else if named == nil { return nil }
        ids = named
    }
}
