internal import EventLog
internal import HTTPServer
internal import Ledger
internal import SessionIndex
internal import SessionModel
internal import SessionStore

extension ConfigurationKey {
    /// Every key, in the order of the documented file.
    package static let all: [ConfigurationKey] =
        http + data + webhook + api + driveApi + gateway + reconciliation + guidance + retention + replication + canary
        + log
        + store + shutdown

    private static let http: [ConfigurationKey] = [
        .text(
            "http.host", \.http.host,
            """
            Address to listen on. 0.0.0.0 is every IPv4 address, "::" every IPv6 and IPv4 address; "none" listens on the \
            Unix socket only. The container image sets 0.0.0.0.
            """),
        .integer("http.port", \.http.port, 0...65_535, "Port to listen on; 0 takes a free one."),
        .optionalText(
            "http.unixSocket", \.http.unixSocket, example: "/run/chargefold/http.sock",
            "Path of a Unix socket to listen on as well."),
        .mode("http.unixSocketMode", \.http.unixSocketMode, "Permission bits of the Unix socket."),
        .integer(
            "http.workers", \.http.workers, 0...256, unit: "event loops",
            "Event loops that serve connections; 0 is one for each processor."),
        .integer(
            "http.connectionsMax", \.http.limits.connectionsMax, 1...1_000_000, unit: "connections",
            "Open connections at most; further ones are closed at once."),
        .integer(
            "http.targetBytesMax", \.http.limits.targetBytesMax, 256...65_536, unit: "bytes",
            "Length of a request's path and query (longer: 414)."),
        .integer(
            "http.headerBytesMax", \.http.limits.headerBytesMax, 1024...1_048_576, unit: "bytes",
            "Length of all header fields (longer: 431)."),
        .integer(
            "http.headerCountMax", \.http.limits.headerCountMax, 8...1000, unit: "fields",
            "Header fields of a request (more: 431)."),
        .integer(
            "http.headerTimeoutSeconds", \.http.limits.headerTimeoutSeconds, 1...3600, unit: "seconds",
            "From the first byte of a request to the end of its head (longer: 408)."),
        .integer(
            "http.bodyTimeoutSeconds", \.http.limits.bodyTimeoutSeconds, 1...3600, unit: "seconds",
            "From the end of the head to the end of the body (longer: 408)."),
        .integer(
            "http.bodyBytesPerSecondMin", \.http.limits.bodyBytesPerSecondMin, 0...1_048_576, unit: "bytes",
            "A body that arrives more slowly than this per second is given up (408); 0 is no such limit."),
        .integer(
            "http.idleTimeoutSeconds", \.http.limits.idleTimeoutSeconds, 1...86_400, unit: "seconds",
            "How long a kept-alive connection may wait for its next request."),
        .integer(
            "http.streamBufferBytesMax", \.http.limits.streamBufferBytesMax, 4096...1_073_741_824, unit: "bytes",
            "Bytes that wait for a slow reader of a live stream; beyond it the reader is disconnected and can resume."),
        .optionalText(
            "http.corsOrigins", \.http.corsOrigins, example: "https://app.example.com",
            """
            Origins of pages whose scripts may use this server from a browser, with commas between. Whoever asks needs a \
            token all the same.
            """),
    ]

    private static let data: [ConfigurationKey] = [
        .text(
            "data.directory", \.data.directory,
            "Directory of log, session rows and ledger; made when missing. One process owns it at a time.")
    ]

    private static let webhook: [ConfigurationKey] = [
        .secret(
            "webhook.secretCurrent", \.webhook.secretCurrent, example: "the CURRENT secret of the webhook",
            """
            The CURRENT secret of the Drive API's HMAC-SHA512 signatures. Once it is set, every callback must be signed. \
            At least one of secretCurrent and authorizationHeaders is needed (or allowUnverified).
            """
        ).reloadable,
        .secret(
            "webhook.secretNext", \.webhook.secretNext, example: "the NEXT secret of the webhook",
            "The NEXT secret, tried when the CURRENT one does not match: set it before a rotation."
        ).reloadable,
        .namedSecrets(
            "webhook.authorizationHeaders", \.webhook.authorizationHeaders, separatedByCommas: false,
            example: #"["X-Callback-Key: the agreed value"]"#,
            """
            Headers agreed with the Drive API that every callback must carry, each as "Name: value". In the environment and \
            in a file: one a line.
            """
        ).reloadable,
        .boolean(
            "webhook.allowUnverified", \.webhook.allowUnverified,
            """
            true starts the server although no way to verify callbacks is configured: anybody who reaches it can then \
            invent events.
            """),
        .boolean(
            "webhook.allowShortSecrets", \.webhook.allowShortSecrets,
            "true accepts secrets and agreed header values of less than 16 bytes, which can be guessed."),
        .integer(
            "webhook.signedAtFreshnessSeconds", \.webhook.signedAtFreshnessSeconds, 0...31_536_000, unit: "seconds",
            """
            How far X-HMAC-SHA512-SignedAt may be from this machine's clock; 0 is off. The signature does not cover that \
            header, and deduplication defeats replays already: a limit costs events whenever a clock is wrong.
            """),
        .integer(
            "webhook.bodyBytesMax", \.webhook.bodyBytesMax, 1024...16_777_216, unit: "bytes",
            "Size of a callback's body, also after decompression (more: 413)."),
        .integer(
            "webhook.quarantine.unverifiedCountMax", \.store.ledger.unverifiedCountMax, 0...1_000_000,
            unit: "bodies",
            "Callbacks kept that failed verification, so that a wrong secret here costs no events; the oldest go first."
        ),
        .integer(
            "webhook.quarantine.unverifiedBytesMax", \.store.ledger.unverifiedBytesMax, 0...1_073_741_824,
            unit: "bytes", "Bytes of them, together."),
    ]

    private static let api: [ConfigurationKey] = [
        .secret(
            "api.token", \.api.token, example: "a-long-random-token",
            """
            Bearer token that opens the query API (Authorization: Bearer ...), with the scope act: letters, digits and \
            -._~+/ only. Without any token the query API is closed, unless allowAnonymousReads is true.
            """
        ).reloadable,
        .secret(
            "api.adminToken", \.api.adminToken, example: "a-long-random-admin-token",
            """
            Bearer token of operators, with the scope admin: it opens what act opens, the quarantine, the log, the minting \
            of user tokens and the erasure of users.
            """
        ).reloadable,
        .namedSecrets(
            "api.tokens", \.api.tokens, separatedByCommas: true, example: #"["app:another-long-random-token"]"#,
            """
            Further tokens, each as name:token or name:token:scopes; names appear in the log. Scopes, with spaces between: \
            read (which is meant where none is given), act (reads, and starts, stops, pays and abandons), read:user:ID and \
            act:user:ID (for that user only; ID percent-encoded), admin. In the environment separated by commas or lines, \
            in a file one a line.
            """
        ).reloadable,
        .secret(
            "api.sealKey", \.api.sealKey, example: "one random text for all instances",
            """
            Key of minted user tokens and of page cursors. Without one, each data directory makes its own at the first \
            start; several instances that are to accept one another's tokens need the same. A new one ends all tokens.
            """),
        .boolean(
            "api.allowAnonymousReads", \.api.allowAnonymousReads,
            "true opens the query API to anybody who reaches the server."),
        .boolean(
            "api.allowShortTokens", \.api.allowShortTokens,
            "true accepts tokens and a seal key of less than 16 bytes, which can be guessed."),
        .integer(
            "api.userStreamsMax", \.api.userStreamsMax, 1...100_000, unit: "streams",
            "Streams and long polls that a user's token may hold open; beyond it the answer is 503."),
    ]

    private static let guidance: [ConfigurationKey] = [
        .integer(
            "guidance.startTimeoutSeconds", \.guidance.startTimeoutSeconds, 1...86_400, unit: "seconds",
            "WAITING_TO_START for longer counts as failed, and another start is allowed."),
        .integer(
            "guidance.connectorCooldownSeconds", \.guidance.connectorCooldownSeconds, 0...86_400, unit: "seconds",
            "After a start, further tries on the same connector are blocked for this long."),
        .integer(
            "guidance.failedStartWaitSeconds", \.guidance.failedStartWaitSeconds, 0...86_400, unit: "seconds",
            "How long to wait after a failed start before the next."),
        .integer(
            "guidance.stopFailedGraceSeconds", \.guidance.stopFailedGraceSeconds, 0...86_400, unit: "seconds",
            "After this long in STOP_FAILED the user may also start another session and abandon the stuck one."),
        .integer(
            "guidance.startedHoursMax", \.guidance.startedHoursMax, 1...8760, unit: "hours",
            "A session STARTED for longer without an end is shown as an anomaly."),
    ]

    private static let retention: [ConfigurationKey] = [
        .integer(
            "retention.days", \.retention.days, 0...36_500, unit: "days",
            """
            Sessions that ended (FAILED, STOPPED, COMPLETE, REFUNDED) and of which nothing was heard for longer are \
            removed, also from the log; 0 keeps everything.
            """),
        .boolean(
            "retention.trustClock", \.retention.trustClock,
            """
            Remove by the wall clock alone. Off: where it is more than a day ahead of the newest event, sessions are \
            removed as of that event only, for a clock that is wrong would delete everything.
            """),
    ]

    private static let canary: [ConfigurationKey] = [
        .optionalText(
            "canary.url", \.canary.url, example: "https://chargefold.example/webhooks/session-events",
            """
            The webhook's public address, as the Drive API has it. Once a minute a signed probe is posted there: what keeps \
            callbacks from arriving is a metric and a log line then. Probes are never logged or folded.
            """)
    ]

    private static let replication: [ConfigurationKey] = [
        .secret(
            "replication.url", \.replication.url,
            example: "postgresql://chargefold@db1,db2/chargefold?sslmode=verify-full",
            """
            Connection string of a PostgreSQL database (13 or newer) that this receiver shares with others: what one \
            receives all have. Several hosts may be named; the one that takes writes is used. Without it nothing is \
            shared.
            """),
        .optionalText(
            "replication.name", \.replication.name, example: "receiver-1",
            "This receiver's name, another one for each receiver; the machine's name where it is not set."),
        .choice(
            "replication.acknowledge", \.replication.acknowledge,
            """
            When a callback is answered: replicated, when it is synced here and committed in the database, which an outage of \
            the database delays once; local, when it is synced here. It says which in "durability".
            """),
        .integer(
            "replication.localAfterMilliseconds", \.replication.localAfterMilliseconds, 10...4_000,
            unit: "milliseconds",
            "How long callbacks, queries and the start wait for the database before they go on without it."),
        .choice(
            "replication.reads", \.replication.reads,
            """
            What queries show: strict, all that any receiver has acknowledged as replicated, which costs one short question to \
            the database for many queries; local, what is here, a moment behind the others.
            """),
        .text(
            "replication.schema", \.replication.schema,
            "Schema in the database; made where it is missing, with its tables. Lower case letters, digits, underscores."
        ),
    ]

    private static let log: [ConfigurationKey] = [
        .choice("log.level", \.log.level, "The least severe level that is logged.").reloadable,
        .choice("log.format", \.log.format, "text for people, json for machines: one object a line."),
    ]

    private static let store: [ConfigurationKey] = [
        .integer(
            "store.queueCountMax", \.store.log.queueCountMax, 1...10_000_000, unit: "callbacks",
            "Callbacks that wait to be made durable; beyond it the answer is 503 with Retry-After."),
        .integer(
            "store.queueBytesMax", \.store.log.queueBytesMax, 1_048_576...17_179_869_184, unit: "bytes",
            "The same, in bytes."),
        .integer(
            "store.recordsInMemoryMax", \.store.index.recordsInMemoryMax, 1...100_000_000, unit: "sessions",
            "Sessions kept in memory for fast answers; the others are read from disk."),
        .integer(
            "store.recordBytesInMemoryMax", \.store.index.recordBytesInMemoryMax, 1_048_576...1_099_511_627_776,
            unit: "bytes",
            "The same, in bytes (estimated)."),
        .integer(
            "store.writeBehindMilliseconds", \.store.index.writeBehindMilliseconds, 1...600_000, unit: "milliseconds",
            """
            Longest time from an event to the write of its session's row. Events are durable before they are answered, \
            whatever this says: it bounds what the next start folds again.
            """),
    ]

    private static let shutdown: [ConfigurationKey] = [
        .integer(
            "shutdown.deadlineSeconds", \.shutdown.deadlineSeconds, 1...600, unit: "seconds",
            "From SIGTERM or SIGINT, and the delay below, to the end: requests still in flight by then are cut off."),
        .integer(
            "shutdown.drainDelaySeconds", \.shutdown.drainDelaySeconds, 0...600, unit: "seconds",
            """
            How long /readyz answers 503 while everything is still accepted and answered, before the stop begins: time for a \
            load balancer to send callbacks elsewhere. A second signal ends it.
            """),
    ]
}
