import Base
import EventLog
import HTTPServer
import Ledger
import Replication
import SessionIndex
import SessionModel
import SessionStore
import Synchronization

/// What whoever runs the receiver wants to know: whether it should go on, whether callbacks can come, how it is.
final class Operations: Sendable {
    let metrics: ReceiverMetrics
    let driveAPI: DriveAPIFeatures?
    let store: any SessionStore
    let samples: Samples
    /// nil where none is configured.
    let canary: Canary?
    let others: Others
    private let ledger: Ledger
    private let hub: LiveHub
    private let secretUse: SecretUse
    let downtime: DowntimeLedger
    /// The server's own figures; set once the server exists.
    let serverStatistics = Locked<(@Sendable () -> ServerStatistics?)?>(nil)

    init(
        store: any SessionStore, others: Others, ledger: Ledger, hub: LiveHub, metrics: ReceiverMetrics,
        secretUse: SecretUse, driveAPI: DriveAPIFeatures?, samples: Samples, canary: Canary?,
        downtime: DowntimeLedger
    ) {
        self.store = store
        self.others = others
        self.ledger = ledger
        self.hub = hub
        self.metrics = metrics
        self.secretUse = secretUse
        self.driveAPI = driveAPI
        self.samples = samples
        self.canary = canary
        self.downtime = downtime
    }

    /// `GET /healthz`: whether the process should go on. It should not only where a start could mend what it cannot.
    func answerHealth(_ call: borrowing Call<Void>) {
        let mustRestart = store.needsRestart != nil
        call.exchange.respond(mustRestart ? Response(.needsRestart) : Response(json: #"{"status":"ok"}"#))
    }

    /// `GET /readyz`: whether a callback sent now could be made durable.
    func answerReadiness(_ call: borrowing Call<Void>) {
        call.exchange.respond(readiness)
    }

    private var readiness: Response {
        if hub.isClosing {
            return Response(Problem(503, "not-ready", "The server is shutting down."))
        }
        if let reason = store.unavailability {
            // Anybody may ask here. What the store says of itself, with paths and statements, is for the log.
            return Response(
                Problem(503, "not-ready", "The store is not writable.").with(member: "code", reason.code.rawValue))
        }
        // Callbacks are taken: a proxy must go on sending them.
        if store.isCatchingUp || others.isFarBehind {
            return Response(json: #"{"status":"ready","sessions":"catching-up"}"#)
        }
        return Response(json: #"{"status":"ready"}"#)
    }

    /// `GET /metrics`, in Prometheus' text format.
    func answerMetrics(_ call: borrowing Call<Void>) {
        var page = MetricsPage()
        addCallbacks(to: &page)
        addDriveAPI(to: &page)
        add(store.statistics, to: &page)
        add(ledger.statistics, to: &page)
        if let log = others.log { add(log.condition, to: &page) }
        if let statistics = serverStatistics.withLock({ $0.flatMap { $0() } }) { add(statistics, to: &page) }
        addProcess(to: &page)
        var response = Response(
            status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(page.text.utf8))
        response.add("Cache-Control", "no-store" as StaticString)
        call.exchange.respond(response)
    }

    /// `GET /openapi.json`
    func answerOpenAPI(_ call: borrowing Call<Void>) {
        call.exchange.respond(OpenAPIDocument.answer.response(for: call.request.head))
    }

    private func addCallbacks(to page: inout MetricsPage) {
        page.add(
            "chargefold_callbacks_total", .counter, "Session event callbacks answered, by outcome.",
            [
                ("outcome=\"accepted\"", "\(metrics.accepted.value)"),
                ("outcome=\"duplicate\"", "\(metrics.duplicates.value)"),
                ("outcome=\"unavailable\"", "\(metrics.unavailable.value)"),
            ]
                + ReceiverMetrics.RefusedCallback.allCases.map { kind in
                    ("outcome=\"refused\",reason=\"\(kind.rawValue)\"", "\(metrics.refusedCallbacks[kind]?.value ?? 0)")
                })
        page.add(
            "chargefold_callbacks_verified_total", .counter, "Callbacks whose signature was right, by the secret.",
            [
                ("secret=\"current\"", "\(secretUse.current.count.value)"),
                ("secret=\"next\"", "\(secretUse.next.count.value)"),
            ])
        page.add(
            "chargefold_callback_duration_seconds", "From the complete request to the durable answer.",
            metrics.callbackDuration)
        page.add(
            "chargefold_live_listeners", .gauge, "Open live streams and long polls.", hub.listenerCount)
        page.add(
            "chargefold_config_last_reload_successful", .gauge,
            "0 where the configuration was wrong when it was last read: what ran before goes on, and a restart fails.",
            metrics.isReloadSuccessful ? 1 : 0)
        for (name, help, counter) in metrics.plain { page.add(name, .counter, help, counter.value) }
    }

    private func add(_ statistics: StoreStatistics, to page: inout MetricsPage) {
        page.add(
            "chargefold_store_writable", .gauge, "1 when the next event can be made durable.", store.isWritable ? 1 : 0)
        page.add(
            "chargefold_sessions_catching_up", .gauge,
            "1 while sessions are made again from the log and queries are refused.",
            store.isCatchingUp || others.isFarBehind ? 1 : 0)
        page.add("chargefold_log_position", .gauge, "The highest durable position in the log.", statistics.durable)
        page.add(
            "chargefold_log_covered_position", .gauge, "The highest position that the session rows cover.",
            statistics.index.covered)
        page.add("chargefold_log_commits_total", .counter, "Group commits.", statistics.log.commits)
        page.add(
            "chargefold_log_commit_failures_total", .counter, "Group commits that failed.", statistics.log.failures)
        page.add("chargefold_log_bytes", .gauge, "Size of the log's files in bytes.", statistics.log.bytes)
        page.add(
            "chargefold_log_damages_total", .counter,
            "Places of the log that were found not to be as they were written.",
            statistics.log.damages)
        page.add(
            "chargefold_log_missing_deliveries", .gauge, "Deliveries that are known to be lost with them.",
            statistics.log.missingRows)
        page.add(
            "chargefold_log_restorations_total", .counter,
            "Files of the log that were removed or replaced while in use, and written again.",
            statistics.log.restorations)
        page.add(
            "chargefold_rows_bytes", .gauge, "Size of the session rows' files in bytes.", statistics.index.bytes)
        page.add(
            "chargefold_queue_deliveries", .gauge, "Deliveries accepted and not yet answered.", statistics.queueCount)
        page.add("chargefold_queue_bytes", .gauge, "The same, in bytes.", statistics.queueBytes)
        page.add(
            "chargefold_records_in_memory", .gauge, "Session records held in memory.", statistics.index.recordsInMemory)
        page.add(
            "chargefold_records_unwritten", .gauge, "Changed records not yet written.",
            statistics.index.unwrittenRecords)
        page.add(
            "chargefold_records_read_total", .counter, "Session records read from disk.", statistics.index.recordsRead)
        page.add(
            "chargefold_undecodable_rows_total", .counter, "Log rows that this release can't decode.",
            statistics.index.undecodableRows)
    }

    private func add(_ statistics: LedgerStatistics, to page: inout MetricsPage) {
        page.add("chargefold_ledger_bytes", .gauge, "Size of the ledger's files in bytes.", statistics.fileBytes)
        page.add(
            "chargefold_ledger_failures_total", .counter, "Calls to the ledger that failed.", statistics.failures)
        page.add(
            "chargefold_ledger_salvages_total", .counter,
            "How often the ledger was damaged and made anew from what could be read.", statistics.salvages)
        page.add(
            "chargefold_ledger_rewrites_total", .counter,
            "How often the ledger was removed or replaced while in use, and written again.", statistics.rewrites)
        page.add(
            "chargefold_quarantine_entries", .gauge, "Bodies in quarantine.",
            [
                ("kind=\"verified\"", "\(statistics.quarantine.verifiedCount)"),
                ("kind=\"unverified\"", "\(statistics.quarantine.unverifiedCount)"),
            ])
        page.add(
            "chargefold_quarantine_dropped_total", .counter, "Unverified bodies dropped because of the bounds.",
            statistics.quarantine.unverifiedDropped)
    }

    private func add(_ statistics: ServerStatistics, to page: inout MetricsPage) {
        page.add("chargefold_http_connections_open", .gauge, "Open connections.", statistics.connectionsOpen)
        page.add("chargefold_http_connections_total", .counter, "Connections accepted.", statistics.connectionsAccepted)
        page.add(
            "chargefold_http_connections_shed_total", .counter, "Connections turned away because too many were open.",
            statistics.connectionsShed)
        page.add("chargefold_http_requests_total", .counter, "Requests with a valid head.", statistics.requests)
        page.add("chargefold_http_received_bytes_total", .counter, "Bytes received.", statistics.bytesIn)
        page.add("chargefold_http_sent_bytes_total", .counter, "Bytes sent.", statistics.bytesOut)
        page.add(
            "chargefold_http_timeouts_total", .counter, "Connections closed because a deadline passed.",
            statistics.timeouts)
        page.add(
            "chargefold_http_accept_pauses_total", .counter, "How often accepting paused for want of descriptors.",
            statistics.acceptPauses)
        page.add(
            "chargefold_http_errors_total", .counter, "Requests that were not acceptable HTTP, by reason.",
            statistics.errors.map { ("reason=\"\($0.error.name)\"", "\($0.count)") })
    }
}

extension Problem {
    fileprivate static let needsRestart = Problem(
        503, "needs-restart", "Something is wrong that only a restart can mend.")
}
