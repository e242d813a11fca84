internal import Base
import Dispatch
import HTTPServer
internal import Ledger
import Logging
import Replication
import SessionIndex
import SessionModel
import SessionStore
import Synchronization
import WebhookSecurity

/// Charge detail record callbacks: each a fact of its session, or in the quarantine.
struct RecordCallbacks: Sendable {
    let store: any SessionStore
    let others: Others
    let ledger: Ledger
    let verifier: BodyVerifier
    let reconciler: Reconciler?
    let downtime: DowntimeLedger?
    let metrics: ChargeDetailRecordMetrics
    let refusals: RefusalLog
    let secretUse: SecretUse
    let clock: @Sendable () -> Instant
    /// Within which a record is answered; upstream waits for five.
    let deadlineSeconds: Double
    let undated = UndatedRecords()

    /// `POST /webhooks/cdrs`: 200 once the record is durable, also for a repeat; 400 invalid, 403 not authentic, 500 when it
    /// can't be made durable or not within the deadline. Whatever is not answered 200 is sent again every night for a week
    /// (domain.md, "CDR callbacks"), so a late answer would be worse than a 500.
    func receive(_ call: borrowing Call<Void>) {
        let receivedAt = clock()
        let body = verifier.verify(call.request, at: receivedAt)
        let answer = DeadlineAnswer(call.exchange)
        switch body.authentication {
        case .missing(let problem), .wrong(let problem):
            metrics.refused.increment()
            if case .wrong = body.authentication {
                secretUse.noteWrong(atMicroseconds: receivedAt.microsecondsSince1970)
            }
            var line = RequestOrigin.metadata(call.request, call.exchange)
            line["status"] = "403"
            line["reason"] = "\(problem.code.rawValue)"
            line["detail"] = "\(problem)"
            if !call.request.body.isEmpty {
                let id = ledger.quarantineUnverified(
                    quarantined(call.request, problem.code.rawValue, receivedAt, isVerified: false))
                line["quarantine"] = "\(id)"
            }
            refusals.write(.warning, "charge detail record refused", line)
            answer.respond(Response(Problem.wrongCredentials.with(detail: problem.publicDescription)))
        case .authentic(let means):
            secretUse.note(means, atMicroseconds: receivedAt.microsecondsSince1970)
            answer.limit(toSeconds: deadlineSeconds)
            do throws(EventError) {
                guard let content = try? body.content(of: call.request) else { throw EventError(.invalidJSON) }
                let record = try ChargeDetailRecord(decoding: content)
                warn(ofTimesIn: record)
                append(record, receivedAt, answer)
            } catch {
                setAside(
                    quarantined(call.request, error.code.rawValue, receivedAt, isVerified: true), error,
                    RequestOrigin.metadata(call.request, call.exchange), answer)
            }
        }
    }

    private func quarantined(
        _ request: borrowing Request, _ code: String, _ receivedAt: Instant, isVerified: Bool
    ) -> QuarantinedBody {
        verifier.quarantined(
            request, reason: ChargeDetailRecordQuarantine.reason(code), receivedAt: receivedAt, isVerified: isVerified)
    }

    /// Times that cannot be read are kept in the record alone; whoever sends them should know.
    private func warn(ofTimesIn record: ChargeDetailRecord) {
        guard !record.unreadTimes.isEmpty else { return }
        refusals.write(
            .warning, "charge detail record with times that are no OCPI date-times",
            [
                "members": "\(record.unreadTimes.joined(separator: ", "))", "sessionId": "\(record.sessionId)",
                "isDatedByArrival": "\(record.timestamp == nil)",
            ])
    }

    /// Logs the record as a fact of its session.
    private func append(_ record: ChargeDetailRecord, _ receivedAt: Instant, _ answer: DeadlineAnswer) {
        guard record.timestamp == nil else { return log(record, at: receivedAt, receivedAt, answer) {} }
        // A record that names no time is dated by the first delivery of such a record: see whether there was one.
        undated.begin(record.sessionId) { [self] in
            let end = { @Sendable [self] in undated.end(record.sessionId) }
            store.session(record.sessionId) { [self] result in
                switch result {
                case .success(let known):
                    log(record, at: known?.timestamp(ofUndated: record) ?? receivedAt, receivedAt, answer, then: end)
                case .failure(let error):
                    fail(error, answer)
                    end()
                }
            }
        }
    }

    private func log(
        _ record: ChargeDetailRecord, at timestamp: Instant, _ receivedAt: Instant, _ answer: DeadlineAnswer,
        then end: @escaping @Sendable () -> Void
    ) {
        let delivery: Delivery
        do throws(EventError) {
            delivery = try record.delivery(at: timestamp, receivedAt: receivedAt)
        } catch {
            answer.respond(Response(.invalidRecord.with(detail: error.detail)))
            return end()
        }
        store.append(delivery) { [self] result in
            defer { end() }
            switch result {
            case .success(let outcome):
                (outcome.duplicate ? metrics.duplicates : metrics.accepted)
                    .increment()
                reconciler?.noted(outcome)
                others.acknowledge(outcome) { durability in
                    var writer = JSONWriter(capacity: 128)
                    writer.beginObject()
                    writer.field("outcome", (outcome.duplicate ? "duplicate" : "accepted") as StaticString)
                    if let requestId = record.requestId { writer.field("requestId", requestId) }
                    writer.field("sessionId", outcome.sessionId)
                    writer.field(unreadTimes: record.unreadTimes)
                    if let durability { writer.field("durability", durability.rawValue) }
                    writer.endObject()
                    answer.respond(Response(json: writer.bytes))
                }
            case .failure(let error): fail(error, answer)
            }
        }
    }

    private func setAside(
        _ body: QuarantinedBody, _ error: EventError, _ origin: Logger.Metadata, _ answer: DeadlineAnswer
    ) {
        metrics.invalid.increment()
        var line = origin
        line["status"] = "400"
        line["reason"] = "\(error.code.rawValue)"
        line["detail"] = "\(error.detail)"
        let refuse = { @Sendable [self, line] (id: Int64?) in
            refusals.write(
                .warning, "charge detail record refused",
                id.map { line.merging(["quarantine": "\($0)"]) { $1 } } ?? line)
            answer.respond(
                Response(.invalidRecord.with(detail: error.detail).with(member: "code", error.code.rawValue)))
        }
        guard !body.body.isEmpty else { return refuse(nil) }
        ledger.quarantineVerified(body) { [self] result in
            switch result {
            case .success(let id):
                others.quarantine?.hint()
                refuse(id)
            case .failure(let error): fail(error, answer)
            }
        }
    }

    private func fail(_ error: StoreError, _ answer: DeadlineAnswer) {
        metrics.failed.increment()
        downtime?.refused(at: clock())
        answer.respond(Response(.recordNotDurable.with(member: "code", error.code.rawValue)))
    }
}

extension ChargeDetailRecord {
    func delivery(at timestamp: Instant, receivedAt: Instant) throws(EventError) -> Delivery {
        let body = factBody(timestamp: timestamp)
        let event = try SessionEvent.decode(body, source: .cdr, limits: .unbounded)
        return Delivery(event: event, body: body, receivedAt: receivedAt)
    }
}

extension JSONWriter {
    /// Nothing where all could be read.
    mutating func field(unreadTimes: [String]) {
        guard !unreadTimes.isEmpty else { return }
        key("unreadTimes")
        beginArray()
        for name in unreadTimes { string(name) }
        endArray()
    }
}

extension Problem {
    static let invalidRecord = Problem(400, "invalid-cdr", "The body is not a charge detail record.")
    static let recordNotDurable = Problem(
        500, "cdr-not-recorded", "The charge detail record could not be made durable; it has to be sent again.")
    static let noRecord = Problem(404, "cdr-not-found", "The session has no charge detail record.")
}

/// How quarantined charge detail records are told from session events: by a prefix of their reason.
enum ChargeDetailRecordQuarantine {
    private static let prefix = "CDR_"
    static func reason(_ code: String) -> String { prefix + code }
    static func isRecord(_ reason: String) -> Bool { reason.hasPrefix(prefix) }
}

/// An answer that is given once: by whoever has it first, or by the deadline.
final class DeadlineAnswer: Sendable {
    private let exchange: Exchange
    private let isGiven = Atomic(false)
    private static let queue = DispatchQueue(label: "chargefold.cdr.deadline")

    init(_ exchange: Exchange) {
        self.exchange = exchange
    }

    /// From now on, 500 when nothing else has been answered within so many seconds.
    func limit(toSeconds seconds: Double) {
        Self.queue.asyncAfter(deadline: .now() + seconds) { [self] in
            respond(Response(.recordNotDurable.with(member: "code", "DEADLINE")))
        }
    }

    func respond(_ response: consuming Response) {
        if !isGiven.exchange(true, ordering: .acquiringAndReleasing) { exchange.respond(response) }
    }
}
