extension ConfigurationKey {
    static let gateway: [ConfigurationKey] = [
        .integer(
            "gateway.idempotencyHours", \.gateway.idempotencyHours, 1...720, unit: "hours",
            "How long an Idempotency-Key stands for its first request."),
        .integer(
            "gateway.requestsMax", \.gateway.requestsMax, 1...100_000, unit: "requests",
            "Requests to the Drive API that are under way at the same time; further ones are answered 503."),
        .integer(
            "gateway.userWritesPerMinute", \.gateway.userWritesPerMinute, 1...100_000, unit: "writes",
            "What one user may have noted durably in a minute: starts, stops, abandonments; beyond it the answer is 429."
        ),
        .integer(
            "gateway.sessionWritesPerMinute", \.gateway.sessionWritesPerMinute, 1...100_000, unit: "writes",
            "The same of one user about one session."),
    ]

    static let reconciliation: [ConfigurationKey] = [
        .boolean(
            "reconciliation.enabled", \.reconciliation.enabled,
            "false: the Drive API is asked about no session, although there is a key."),
        .integer(
            "reconciliation.soonSeconds", \.reconciliation.soonSeconds, 0...3600, unit: "seconds",
            """
            After the first that is heard of a session, after COMPLETE and after a stop the Drive API is asked so soon: \
            charger, kind of key, price and payment come from there only. 0: not for these reasons.
            """),
        .integer(
            "reconciliation.waitingSeconds", \.reconciliation.waitingSeconds, 1...86_400, unit: "seconds",
            "CREATED, WAITING_TO_START, WAITING_TO_STOP or STOP_FAILED for so long: the Drive API is asked."),
        .integer(
            "reconciliation.startedSilenceSeconds", \.reconciliation.startedSilenceSeconds, 1...604_800,
            unit: "seconds",
            "STARTED for so long without news."),
        .integer(
            "reconciliation.stoppedSeconds", \.reconciliation.stoppedSeconds, 1...604_800, unit: "seconds",
            "STOPPED for so long without COMPLETE."),
        .integer(
            "reconciliation.completeSeconds", \.reconciliation.completeSeconds, 1...604_800, unit: "seconds",
            "COMPLETE for so long without a price, or without an outcome of the payment."),
        .integer(
            "reconciliation.failedSeconds", \.reconciliation.failedSeconds, 1...604_800, unit: "seconds",
            "FAILED or of an unknown status for so long: such a session can come back to life."),
        .integer(
            "reconciliation.backOffSecondsMax", \.reconciliation.backOffSecondsMax, 1...604_800, unit: "seconds",
            "The wait doubles with each answer that brings no change of status, up to this."),
        .integer(
            "reconciliation.triesMax", \.reconciliation.triesMax, 1...1000, unit: "calls",
            """
            Answers without a change of status after which a session is left alone until something new is heard of it.
            """),
        .integer(
            "reconciliation.spreadSeconds", \.reconciliation.spreadSeconds, 0...86_400, unit: "seconds",
            "After a downtime, the open sessions are asked about within so long."),
        .integer(
            "reconciliation.refundCheckHours", \.reconciliation.refundCheckHours, 0...8760, unit: "hours",
            "After so long a settled session is asked about once more: it may have been refunded. 0: never."),
        .integer(
            "reconciliation.giveUpDays", \.reconciliation.giveUpDays, 1...365, unit: "days",
            "Sessions of which nothing was heard for longer are not taken up again at a start."),
        .integer(
            "reconciliation.sessionsMax", \.reconciliation.sessionsMax, 1000...10_000_000, unit: "sessions",
            "Sessions watched at the same time; further ones are taken up when there is room."),
    ]
}
