internal import Base
import DriveAPI
import Synchronization

extension Operations {
    /// Charge detail records, and what goes to the Drive API and comes from it.
    func addDriveAPI(to page: inout MetricsPage) {
        let records = metrics.chargeDetailRecords
        page.add(
            "chargefold_cdrs_total", .counter, "Charge detail record callbacks answered, by outcome.",
            [
                ("outcome=\"accepted\"", "\(records.accepted.value)"),
                ("outcome=\"duplicate\"", "\(records.duplicates.value)"),
                ("outcome=\"refused\"", "\(records.refused.value)"),
                ("outcome=\"invalid\"", "\(records.invalid.value)"),
                ("outcome=\"failed\"", "\(records.failed.value)"),
            ])
        guard let driveAPI, let statistics = driveAPI.metrics.statistics else { return }
        page.add(
            "chargefold_drive_api_calls_total", .counter, "Calls to the Drive API, by call and outcome.",
            DriveAPICall.allCases.flatMap { call in
                DriveAPIMetrics.Outcome.allCases.map {
                    ("call=\"\(call.rawValue)\",outcome=\"\($0.rawValue)\"", "\(driveAPI.metrics.calls(call, $0))")
                }
            })
        page.add(
            "chargefold_drive_api_key_refused", .gauge, "1 while the Drive API does not take the API key.",
            driveAPI.metrics.isKeyRefused ? 1 : 0)
        page.add(
            "chargefold_drive_api_requests_total", .counter, "Requests sent to the Drive API, further tries included.",
            DriveAPICall.allCases.map { ("call=\"\($0.rawValue)\"", "\(statistics.attempts[$0] ?? 0)") })
        page.add(
            "chargefold_drive_api_call_duration_seconds", "From a call to its outcome, waits included.",
            driveAPI.metrics.duration)
        page.add(
            "chargefold_drive_api_breaker_open", .gauge, "1 while calls are kept back because the Drive API fails.",
            statistics.breaker == .closed ? 0 : 1)
        page.add("chargefold_drive_api_calls_waiting", .gauge, "Calls that wait for their turn.", statistics.waiting)
        addGateway(driveAPI.gateway.metrics, to: &page)
        if let reconciler = driveAPI.reconciler { addReconciliation(reconciler.metrics, to: &page) }
    }

    private func addGateway(_ metrics: GatewayMetrics, to page: inout MetricsPage) {
        page.add(
            "chargefold_gateway_requests_total", .counter, "Requests to be passed on to the Drive API.",
            GatewayMetrics.Request.allCases.map {
                ("request=\"\($0.rawValue)\"", "\(metrics.requests[$0]?.value ?? 0)")
            })
        page.add(
            "chargefold_gateway_cooldowns_total", .counter, "Starts turned away because the connector cools down.",
            metrics.cooldowns.value)
        page.add(
            "chargefold_gateway_replays_total", .counter, "Answers given again for an idempotency key.",
            metrics.replays.value)
        if others.log != nil {
            page.add(
                "chargefold_gateway_local_starts_total", .counter,
                "Starts that were made without the shared log: another receiver may have made the same one.",
                metrics.localStarts.value)
        }
        page.add(
            "chargefold_gateway_failures_total", .counter, "Requests that the Drive API did not answer with success.",
            metrics.failures.value)
    }

    private func addReconciliation(_ metrics: ReconciliationMetrics, to page: inout MetricsPage) {
        page.add("chargefold_reconciliation_calls_total", .counter, "Questions about sessions.", metrics.calls.value)
        page.add(
            "chargefold_reconciliation_answers_total", .counter, "Answers, by what they told.",
            [
                ("content=\"news\"", "\(metrics.news.value)"), ("content=\"known\"", "\(metrics.unchanged.value)"),
                ("content=\"none\"", "\(metrics.failures.value)"),
            ])
        page.add(
            "chargefold_reconciliation_sessions", .gauge, "Sessions that are watched.",
            metrics.watched.load(ordering: .relaxed))
        page.add(
            "chargefold_reconciliation_given_up_total", .counter,
            "Sessions left alone after too many answers without a change.", metrics.givenUp.load(ordering: .relaxed))
        page.add(
            "chargefold_reconciliation_sessions_done_total", .counter,
            "Sessions that are asked about no more: settled, given up, or not to be asked about.",
            metrics.done.load(ordering: .relaxed))
        page.add(
            "chargefold_reconciliation_sessions_done_calls_total", .counter,
            "Questions that those sessions took: divided by their number, the calls of a session.",
            metrics.doneCalls.load(ordering: .relaxed))
        page.add(
            "chargefold_reconciliation_unaskable_total", .counter,
            "Sessions that can't be asked about, because nobody has named their user.", metrics.unaskable.value)
        page.add(
            "chargefold_reconciliation_refund_checks_total", .counter,
            "Settled sessions that were asked about once more, for a refund.", metrics.refundChecks.value)
        page.add(
            "chargefold_reconciliation_start_searches_total", .counter,
            "Looks through users' histories for starts of unknown outcome.", metrics.startSearches.value)
        page.add(
            "chargefold_reconciliation_starts_found_total", .counter,
            "Starts of unknown outcome whose session was found.", metrics.startsFound.value)
    }
}
