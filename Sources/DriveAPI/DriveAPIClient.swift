internal import HTTPClient
package import SessionModel
internal import WebhookSecurity

/// The Drive API's calls about sessions (domain.md, "Drive API calls about sessions").
///
/// Tasks await a call by `result(of:)`. Underneath, every call returns at once; its completion is called exactly once, on one of
/// the client's queues (or before the call returns, where it is turned away), and must return quickly. The key never appears in
/// an error or a log.
package final class DriveAPIClient: Sendable {
    package typealias Completion<Value: Sendable> = @Sendable (Result<DriveAPIAnswer<Value>, DriveAPIError>) -> Void

    private let settings: DriveAPISettings
    private let apiKey: SecretKey
    private let redaction: KeyRedaction
    private let basePath: String
    private let queue: CallQueue

    /// - Parameter seed: of the jitter; random where none is given.
    /// - Throws: `invalidRequest` where the base URL is none.
    package convenience init(
        _ settings: DriveAPISettings, observer: (any DriveAPIObserver)? = nil,
        clock: any DriveAPIClock = SystemDriveAPIClock(), seed: UInt64 = .random(in: 0 ... .max)
    ) throws(DriveAPIError) {
        let endpoint = try Self.endpoint(settings.baseURL)
        try self.init(settings, observer: observer, clock: clock, seed: seed) { HTTPTransport(endpoint, settings) }
    }

    /// With connections of another kind.
    package init(
        _ settings: DriveAPISettings, observer: (any DriveAPIObserver)? = nil, clock: any DriveAPIClock, seed: UInt64,
        transport: @Sendable () -> sending any DriveAPITransport
    ) throws(DriveAPIError) {
        guard let apiKey = settings.apiKey else { throw DriveAPIError(.invalidRequest, "there is no key of the API") }
        self.settings = settings
        self.apiKey = apiKey
        redaction = KeyRedaction(apiKey)
        basePath = try Self.basePath(of: settings.baseURL)
        queue = CallQueue(settings, clock: clock, observer: observer, seed: seed, transport: transport)
    }

    /// The part of a base URL that goes before `/v1/…`.
    ///
    /// - Throws: `invalidRequest` where it is no URL, or one with a query.
    package static func basePath(of baseURL: String) throws(DriveAPIError) -> String {
        let endpoint = try endpoint(baseURL)
        guard !endpoint.target.contains("?") else {
            throw DriveAPIError(.invalidRequest, "the base URL has a query, which no call could keep")
        }
        return endpoint.target.last == "/" ? String(endpoint.target.dropLast()) : endpoint.target
    }

    private static func endpoint(_ url: String) throws(DriveAPIError) -> Endpoint {
        do {
            return try Endpoint(url: url)
        } catch {
            throw DriveAPIError(error)
        }
    }

    package var statistics: DriveAPIStatistics { queue.statistics }

    /// Fails all calls that wait, and those still to come. Calls under way end by themselves.
    package func close() {
        queue.close()
    }

    // MARK: Calls

    /// `POST /v1/users/{userId}/sessions/start`. Never sent twice unless nothing of it can have arrived.
    package func start(
        userId: String, connectorId: String, trace: RequestTrace = .none,
        completion: @escaping Completion<StartAnswer>
    ) {
        let body = Self.object("connectorId", connectorId)
        send(.start, PathTemplate.start, userId, "", body, .interactive, trace) { answer in
            guard let json = answer.json, json.isObject else { return nil }
            return StartAnswer(json: json)
        } completion: {
            completion($0)
        }
    }

    /// `POST /v1/users/{userId}/sessions/{sessionId}/stop`. The value is the JSON of the answer; nil where it has none.
    package func stop(
        userId: String, sessionId: String, trace: RequestTrace = .none,
        completion: @escaping Completion<CanonicalJSON?>
    ) {
        send(.stop, PathTemplate.stop, userId, sessionId, [], .interactive, trace) {
            .some($0.json)
        } completion: {
            completion($0)
        }
    }

    /// `GET /v1/users/{userId}/sessions/{sessionId}`.
    package func session(
        userId: String, sessionId: String, priority: DriveAPIPriority = .background,
        completion: @escaping Completion<DriveSession>
    ) {
        send(.session, PathTemplate.session, userId, sessionId, nil, priority) { answer in
            guard let session = answer.json.flatMap({ DriveSession($0) }), session.status != nil else { return nil }
            // An answer about another session must not be taken for one about this.
            return session.sessionId.map { $0 == sessionId } ?? true ? session : nil
        } completion: {
            completion($0)
        }
    }

    /// One page of `POST /v1/users/{userId}/sessions/history`.
    package func history(
        userId: String, _ query: HistoryQuery, priority: DriveAPIPriority = .background,
        completion: @escaping Completion<HistoryPage>
    ) {
        send(.history, PathTemplate.history, userId, "", query.body, priority) {
            $0.json.flatMap { HistoryPage($0) }
        } completion: {
            completion($0)
        }
    }

    /// The signed URL of a receipt, by the configured path.
    package func receipt(
        userId: String, sessionId: String, trace: RequestTrace = .none,
        completion: @escaping Completion<ReceiptAnswer>
    ) {
        let path = settings.receiptPath
        let body: [UInt8]? = path.method == "GET" ? nil : []
        send(.receipt, path, userId, sessionId, body, .interactive, trace) {
            ReceiptAnswer(body: $0.response.body)
        } completion: {
            completion($0)
        }
    }

    /// Tries again to take the payment of a session in DEBT, by the configured path. The value is the JSON of the
    /// answer; nil where it has none.
    package func retryPayment(
        userId: String, sessionId: String, trace: RequestTrace = .none,
        completion: @escaping Completion<CanonicalJSON?>
    ) {
        let path = settings.retryPaymentPath
        send(.retryPayment, path, userId, sessionId, path.method == "GET" ? nil : [], .interactive, trace) {
            .some($0.json)
        } completion: {
            completion($0)
        }
    }

    /// `POST /v1/geosearch/radius`. The value is the answer's JSON.
    ///
    /// - Parameters:
    ///   - query: as it stands in a URL.
    ///   - body: JSON.
    ///   - asker: who asks: whose call it is, as for the bounds and the breaker.
    package func geosearch(
        query: String, body: [UInt8], of asker: String, trace: RequestTrace = .none,
        completion: @escaping Completion<CanonicalJSON>
    ) {
        let target = "/v1/geosearch/radius" + (query.isEmpty ? "" : "?" + query)
        submit(.geosearch, of: asker, method: "POST", target, body, .interactive, trace) {
            $0.json
        } completion: {
            completion($0)
        }
    }

    /// What a call comes to, for tasks: `await client.result { client.session(userId: …, completion: $0) }`.
    package func result<Value: Sendable>(
        of call: @Sendable (@escaping Completion<Value>) -> Void
    ) async -> Result<DriveAPIAnswer<Value>, DriveAPIError> {
        await withCheckedContinuation { continuation in call { continuation.resume(returning: $0) } }
    }

    // MARK: Requests

    private func send<Value: Sendable>(
        _ call: DriveAPICall, _ path: PathTemplate, _ userId: String, _ sessionId: String, _ body: [UInt8]?,
        _ priority: DriveAPIPriority, _ trace: RequestTrace = .none,
        decode: @escaping @Sendable (RawAnswer) -> Value?, completion: @escaping Completion<Value>
    ) {
        // An id of a callback may be anything; whoever decodes the path must not be led to another resource by it.
        guard PathTemplate.isOneSegment(userId), PathTemplate.isOneSegment(sessionId) else {
            return completion(.failure(DriveAPIError(.invalidRequest, "an id is more than one segment of a path")))
        }
        let target = path.filled(userId: userId, sessionId: sessionId)
        submit(
            call, of: userId, method: path.method, target, body, priority, trace, decode: decode,
            completion: completion)
    }

    private func submit<Value: Sendable>(
        _ call: DriveAPICall, of userId: String, method: String, _ target: String, _ body: [UInt8]?,
        _ priority: DriveAPIPriority, _ trace: RequestTrace = .none,
        decode: @escaping @Sendable (RawAnswer) -> Value?, completion: @escaping Completion<Value>
    ) {
        let key = apiKey.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        var fields = [
            (name: "X-API-Key", value: key), (name: "Accept", value: "application/json"),
            (name: "Accept-Encoding", value: "identity"),
        ]
        fields += trace.fields
        if let body, !body.isEmpty { fields.append((name: "Content-Type", value: "application/json")) }
        let request = ClientRequest(
            method: method, target: basePath + target, fields: fields, body: body ?? [], isRepeatable: call.isSafe)
        queue.submit(call, of: userId, request, priority) { [redaction] result in
            completion(
                result.map { $0.redacted(redaction) }.mapError { $0.redacted(redaction) }.flatMap { raw in
                    guard !raw.isCoded, let value = decode(raw) else {
                        var error = DriveAPIError(
                            .malformedAnswer, "the Drive API's answer is not what this call answers",
                            status: raw.response.status)
                        error.mayHaveBeenSent = true
                        error.body = Array(raw.response.body.prefix(DriveAPIError.bodyBytesMax))
                        return .failure(error)
                    }
                    return .success(
                        DriveAPIAnswer(
                            value: value, status: raw.response.status, body: raw.response.body,
                            contentType: raw.response.field("content-type"), sentAt: raw.sentAt,
                            attempts: raw.attempts))
                })
        }
    }

    private static func object(_ name: StaticString, _ value: String) -> [UInt8] {
        var writer = JSONWriter(capacity: 160)
        writer.beginObject()
        writer.key(name)
        writer.string(value)
        writer.endObject()
        return writer.bytes
    }
}

extension RawAnswer {
    /// Whether the body has a content coding, which nobody asked for.
    var isCoded: Bool {
        response.fields.contains { $0.name.lowercased() == "content-encoding" && $0.value.lowercased() != "identity" }
    }

    /// The body where it is JSON.
    var json: CanonicalJSON? { try? CanonicalJSON(parsing: response.body) }
}
