internal import Base
import HTTPServer
import Ledger
import Replication
import SessionIndex
import SessionModel
import SessionStore

/// What operators do with the quarantine: this receiver's, and where several share a log that of all of them.
struct QuarantineRequests: Sendable {
    let ledger: Ledger
    let store: any SessionStore
    let verifier: BodyVerifier
    let reconciler: Reconciler?
    let others: Others

    /// nil where there is only this receiver.
    private var shared: SharedQuarantineWork? { others.quarantine }

    /// With the secrets of today.
    private var service: QuarantineService {
        QuarantineService(
            store: store, ledger: ledger, authenticator: verifier.authenticator, bodyBytesMax: verifier.bodyBytesMax,
            others: others
        ) { [reconciler] in reconciler?.noted($0) }
    }

    /// `GET /v1/quarantine`, with `after` and `limit`: what is in quarantine, without the bodies.
    func list(_ call: borrowing Call<Operator>) throws(Problem) {
        let query = try QueryParameters(of: call.request.head.query)
        let after = try query.number("after", in: 0...Int64.max, else: 0)
        let limit = try query.number("limit", in: 1...500, else: 100)
        answer(call.exchange) { try await list(after: after, limit: Int(limit)) }
    }

    /// `GET /v1/quarantine/{id}`: an entry with its body.
    func show(_ call: borrowing Call<Operator>) {
        answer(call.exchange) { [id = call.path.id] in
            if let entry = try await ledger.quarantined(id: id) {
                return Response(json: entry.json(withBody: true, receiver: shared?.receiver))
            }
            guard let (entry, receiver) = try await shared?.elsewhere(id: id) else {
                return Response(.notFound)
            }
            return Response(json: entry.json(withBody: true, receiver: receiver))
        }
    }

    /// `DELETE /v1/quarantine/{id}`
    func drop(_ call: borrowing Call<Operator>) {
        answer(call.exchange) { [id = call.path.id] in
            do throws(StoreError) {
                if try await ledger.removeQuarantined([id]) > 0 {
                    await tell()
                    return .noContent
                }
            } catch {
                return Response(Problem(error, .storeUnavailable))
            }
            return try await shared?.drop(elsewhere: id) == true ? .noContent : Response(.notFound)
        }
    }

    /// `POST /v1/quarantine/retry`, for a selection of entries.
    func retryAll(_ call: borrowing Call<Operator>) throws(Problem) {
        let body = Array(call.request.body)
        try CanonicalJSON.checkMembers(of: body, names: ["ids", "all"])
        guard let selection = QuarantineSelection(json: body) else { throw .malformedSelection }
        answer(call.exchange) { try await retry(selection) }
    }

    /// `POST /v1/quarantine/{id}/retry`: 200 with what became of it, 404 without such an entry, 422 with the reason
    /// where it is still refused, 503 where it can't be made durable now.
    func retryOne(_ call: borrowing Call<Operator>) {
        answer(call.exchange) { [id = call.path.id] in
            let result = try await retry(id)
            await tell()
            switch result.outcome {
            case .accepted, .duplicate: return Response(json: result.json)
            case .unknown: return Response(.notFound)
            case .refused:
                let reason = result.reason ?? "UNAVAILABLE"
                if reason == StoreError.Code.queueFull.rawValue { return Response(.overloaded) }
                if reason == StoreError.Code.unavailable.rawValue { return Response(.storeUnavailable) }
                return Response(.stillRefused.with(member: "code", reason))
            }
        }
    }

    private func answer(_ exchange: Exchange, _ work: @escaping @Sendable () async throws -> Response) {
        exchange.answer { () async throws(Problem) in
            do {
                return try await work()
            } catch let error as StoreError {
                throw Problem(error, .storeUnreadable)
            } catch {
                throw .sharedLogAway
            }
        }
    }

    /// What is gone here goes for all, before the answer where that goes at once.
    private func tell() async { try? await shared?.pass() }

    /// One list, by ids: they are of the clock where there are several receivers. Without the database what is here.
    private func list(after: Int64, limit: Int) async throws -> Response {
        var entries: [(entry: QuarantineEntry, receiver: String?)] = []
        var isLocal = false
        if let shared {
            do {
                // What others have retried is gone here.
                try await shared.pass()
                entries = try await shared.page(after: after, limit: limit).entries.map { ($0.entry, $0.receiver) }
            } catch is PostgresError {
                isLocal = true
            }
        }
        entries += try await ledger.quarantined(after: after, limit: limit).map { ($0, shared?.receiver) }
        entries.sort { $0.entry.id < $1.entry.id }
        entries = Array(entries.prefix(limit))
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("entries")
        writer.beginArray()
        for (entry, receiver) in entries { writer.rawJSON(entry.json(withBody: false, receiver: receiver)) }
        writer.endArray()
        if entries.count == limit, let last = entries.last { writer.field("after", last.entry.id) }
        writer.endObject()
        var response = Response(json: writer.bytes)
        if isLocal { response.addLocalConsistency() }
        return response
    }

    // MARK: Retries

    private func retry(_ id: Int64) async throws -> QuarantineService.RetryResult {
        let unknown = QuarantineService.RetryResult(id: id, outcome: .unknown, reason: nil, sessionId: nil)
        var here = unknown
        try await service.retry([id]) { here = $0 }
        guard here.outcome == .unknown, let shared else { return here }
        let work = store.beginWork(about: nil)
        guard let (entry, _) = try await shared.elsewhere(id: id) else { return unknown }
        return await retry(elsewhere: entry, work, shared)
    }

    /// In the shared log, and then gone for all; where that fails it can be retried once more, and is a duplicate then.
    private func retry(
        elsewhere entry: QuarantineEntry, _ work: WorkTicket, _ shared: SharedQuarantineWork
    ) async -> QuarantineService.RetryResult {
        let result = await service.retry(elsewhere: entry, work)
        if result.durability == .replicated {
            _ = try? await shared.drop(elsewhere: entry.id)
        }
        return result
    }

    private func retry(_ selection: QuarantineSelection) async throws -> Response {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("results")
        writer.beginArray()
        if let ids = selection.ids {
            for id in ids { writer.rawJSON(try await retry(id).json) }
        } else {
            try await service.retry(nil) { writer.rawJSON($0.json) }
        }
        await tell()
        var isLocal = false
        if let shared, selection.ids == nil {
            do { try await retryAll(elsewhere: shared) { writer.rawJSON($0.json) } } catch is PostgresError {
                isLocal = true
            }
        }
        writer.endArray()
        writer.endObject()
        var response = Response(json: writer.bytes)
        if isLocal { response.addLocalConsistency() }
        return response
    }

    private func retryAll(
        elsewhere shared: SharedQuarantineWork, progress: (QuarantineService.RetryResult) -> Void
    ) async throws {
        var last: Int64 = 0
        while true {
            let work = store.beginWork(about: nil)
            let page = try await shared.page(after: last)
            guard let newest = page.last else { return }
            for (entry, _) in page.entries { progress(await retry(elsewhere: entry, work, shared)) }
            last = newest
        }
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
