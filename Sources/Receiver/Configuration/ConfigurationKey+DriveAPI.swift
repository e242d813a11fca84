extension ConfigurationKey {
    static let driveApi: [ConfigurationKey] = [
        .secret(
            "driveApi.key", \.driveApi.key, example: "the key of the Drive API",
            """
            The X-API-Key of the Drive API. Without it nothing is ever asked: starts and stops through this server answer \
            501, and no session is reconciled; everything else works.
            """),
        .text(
            "driveApi.baseUrl", \.driveApi.baseUrl,
            """
            What goes before /v1/... The stage environment is https://drive-api-stage.plugsurfing.com/drive, a sandbox of \
            one's own (chargefold sandbox) http://127.0.0.1:8090/drive.
            """),
        .integer(
            "driveApi.connectTimeoutSeconds", \.driveApi.connectTimeoutSeconds, 1...120, unit: "seconds",
            "For a connection, TLS included."),
        .integer(
            "driveApi.answerTimeoutSeconds", \.driveApi.answerTimeoutSeconds, 1...300, unit: "seconds",
            "From sending a request to the end of its answer."),
        .integer(
            "driveApi.totalTimeoutSeconds", \.driveApi.totalTimeoutSeconds, 1...600, unit: "seconds",
            "For a call with all its waits and tries."),
        .integer(
            "driveApi.concurrency", \.driveApi.concurrency, 1...64, unit: "calls",
            "Calls under way at the same time, each on a connection of its own."),
        .integer(
            "driveApi.callsPerSecond", \.driveApi.callsPerSecond, 1...10_000, unit: "calls",
            "Reconciliation and back-fill together ask no more often per second; drivers' requests never wait for it."),
        .text(
            "driveApi.receiptPath", \.driveApi.receiptPath,
            "Method and path of a receipt's URL. Not documented upstream."),
        .text(
            "driveApi.retryPaymentPath", \.driveApi.retryPaymentPath,
            "Method and path of another try to take a payment. Not documented upstream."),
    ]

    static let gateway: [ConfigurationKey] = [
        .integer(
            "gateway.idempotencyHours", \.gateway.idempotencyHours, 1...720, unit: "hours",
            "How long an Idempotency-Key stands for its first request."),
        .integer(
            "gateway.requestsMax", \.gateway.requestsMax, 1...100_000, unit: "requests",
            "Requests to the Drive API that are under way at the same time; further ones are answered 503."),
    ]

    static let reconciliation: [ConfigurationKey] = [
        .boolean(
            "reconciliation.enabled", \.reconciliation.enabled,
            "false: the Drive API is asked about no session, although there is a key."),
        .integer(
            "reconciliation.waitingSeconds", \.reconciliation.waitingSeconds, 1...86_400, unit: "seconds",
            "CREATED, WAITING_TO_START, WAITING_TO_STOP or STOP_FAILED for so long: the Drive API is asked."),
        .integer(
            "reconciliation.startedSilenceSeconds", \.reconciliation.startedSilenceSeconds, 1...604_800, unit: "seconds",
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
            "Answers without a change of status after which a session is left alone until something new is heard of it."),
        .integer(
            "reconciliation.spreadSeconds", \.reconciliation.spreadSeconds, 0...86_400, unit: "seconds",
            "After a downtime, the open sessions are asked about within so long."),
        .integer(
            "reconciliation.giveUpDays", \.reconciliation.giveUpDays, 1...365, unit: "days",
            "Sessions of which nothing was heard for longer are not taken up again at a start."),
        .integer(
            "reconciliation.sessionsMax", \.reconciliation.sessionsMax, 1000...10_000_000, unit: "sessions",
            "Sessions watched at the same time; further ones are taken up when there is room."),
    ]
}
