import Base
import SessionModel
import Testing

/// Status × time × history, as the seed document ("Remarks", "Possible problems") and domain.md have it.
@Suite struct GuidanceTests {
    /// A fact of the history, so many seconds after the start of the test's world.
    enum Step: Sendable {
        case callback(String, Int64)
        case client(SessionEvent.ClientAction, Int64)
        /// Status and further members of the payload.
        case api(String, Int64, String = "")
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let name: String
        let steps: [Step]
        let now: Int64
        let effective: String
        /// Each: allowed or not, the reason, and for `notBefore` the seconds.
        let stop: (Bool, Guidance.Reason)
        let start: (Bool, Guidance.Reason, Int64?)
        let abandon: (Bool, Guidance.Reason)
        var payment: (Bool, Guidance.Reason) = (false, .notComplete)
        var testDescription: String { "\(name) at \(now) s" }
    }

    private static let base = Instant(seconds: 1_750_000_000)
    private static let requested: [Step] = [.client(.start, 0)]
    private static let running: [Step] = [.client(.start, 0), .callback("SESSION_STARTED", 20)]
    private static let stopFailed: [Step] = running + [.client(.stop, 1000), .callback("SESSION_STOP_FAILED", 1010)]
    private static let stuck: [Step] = [.callback("SESSION_STARTED", 0), .callback("SESSION_STOP_FAILED", 1010)]
    private static let day: Int64 = 86_400

    static let starting: [Case] = [
        Case(
            name: "created", steps: [.api("CREATED", 0)], now: 1, effective: "CREATED", stop: (false, .notStarted),
            start: (false, .startInProgress, 120), abandon: (false, .startInProgress)),
        Case(
            name: "waiting", steps: requested, now: 119, effective: "WAITING_TO_START", stop: (false, .notStarted),
            start: (false, .startInProgress, 120), abandon: (false, .startInProgress)),
        Case(
            name: "waiting for two minutes", steps: requested, now: 120, effective: "FAILED",
            stop: (false, .notStarted), start: (true, .startTimedOut, nil), abandon: (true, .startTimedOut)),
        Case(
            name: "waiting, asked again by the reconciler", steps: requested + [.api("WAITING_TO_START", 110)],
            now: 121,
            effective: "FAILED", stop: (false, .notStarted), start: (true, .startTimedOut, nil),
            abandon: (true, .startTimedOut)),
        Case(
            name: "timed out, then started", steps: requested + [.callback("SESSION_STARTED", 500)], now: 501,
            effective: "STARTED", stop: (true, .sessionOngoing), start: (true, .severalSessionsAllowed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "failed at once", steps: requested + [.callback("SESSION_START_FAILED", 5)], now: 10,
            effective: "FAILED", stop: (false, .notStarted), start: (false, .cooldownAfterFailedStart, 65),
            abandon: (false, .notStuck)),
        Case(
            name: "failed a minute ago", steps: requested + [.callback("SESSION_START_FAILED", 5)], now: 65,
            effective: "FAILED", stop: (false, .notStarted), start: (true, .startFailed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "failed, and said so again: the wait does not start anew",
            steps: requested + [.callback("SESSION_START_FAILED", 5), .api("FAILED", 60)], now: 65,
            effective: "FAILED", stop: (false, .notStarted), start: (true, .startFailed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "failed, and a stop was asked for just in case: the wait does not start anew",
            steps: requested + [
                .callback("SESSION_START_FAILED", 5), .client(.stop, 40), .api("FAILED", 42),
            ], now: 65, effective: "FAILED", stop: (false, .notStarted), start: (true, .startFailed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "failed at the instant of the request", steps: [.client(.start, 10), .api("FAILED", 10)], now: 10,
            effective: "FAILED", stop: (false, .notStarted), start: (false, .cooldownAfterFailedStart, 70),
            abandon: (false, .notStuck)),
    ]

    static let ongoing: [Case] = [
        Case(
            name: "started within the cooldown", steps: running, now: 59, effective: "STARTED",
            stop: (true, .sessionOngoing), start: (false, .cooldown, 60), abandon: (false, .notStuck)),
        Case(
            name: "started", steps: running, now: 60, effective: "STARTED", stop: (true, .sessionOngoing),
            start: (true, .severalSessionsAllowed, nil), abandon: (false, .notStuck)),
        Case(
            name: "started for more than a day", steps: running, now: 20 + day, effective: "STARTED",
            stop: (true, .sessionOngoing), start: (true, .severalSessionsAllowed, nil), abandon: (true, .startedTooLong)
        ),
        Case(
            name: "started for more than a day, and seen so since", steps: running + [.api("STARTED", 20 + day / 2)],
            now: 20 + day, effective: "STARTED", stop: (true, .sessionOngoing),
            start: (true, .severalSessionsAllowed, nil), abandon: (true, .startedTooLong)),
        Case(
            name: "local card",
            steps: [.callback("SESSION_STARTED", 0), .api("STARTED", 30, #","chargingKeyType":"rfid""#)],
            now: 40, effective: "STARTED", stop: (false, .localSession), start: (true, .severalSessionsAllowed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "virtual card", steps: [.api("STARTED", 30, #","chargingKeyType":"virtual""#)], now: 40,
            effective: "STARTED", stop: (true, .sessionOngoing), start: (true, .severalSessionsAllowed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "marked as failed while charging", steps: running + [.callback("SESSION_START_FAILED", 90)], now: 200,
            effective: "FAILED", stop: (true, .mayStillCharge), start: (true, .startFailed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "marked as failed after a stop that failed, its start unheard of",
            steps: [.callback("SESSION_STOP_FAILED", 0), .callback("SESSION_FAILED", 60)], now: 200,
            effective: "FAILED", stop: (true, .mayStillCharge), start: (true, .startFailed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "marked as failed after it stopped",
            steps: [.callback("SESSION_STOPPED", 0), .callback("SESSION_FAILED", 60)], now: 200,
            effective: "FAILED", stop: (false, .keyTypeUnknown), start: (true, .startFailed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "known from a fee alone", steps: [.callback("SESSION_FEE_INCURRING", 0)], now: 1, effective: "FAILED",
            stop: (false, .keyTypeUnknown), start: (true, .statusUnknown, nil), abandon: (false, .notStuck)),
        Case(
            name: "a status that is new to us", steps: [.api("MELTED", 0, #","chargingKeyType":"virtual""#)], now: 1,
            effective: "FAILED",
            stop: (true, .mayStillCharge), start: (true, .statusUnknown, nil), abandon: (false, .notStuck)),
        Case(
            name: "started, and nothing tells whether by a card", steps: [.callback("SESSION_STARTED", 0)], now: 40,
            effective: "STARTED", stop: (false, .keyTypeUnknown), start: (true, .severalSessionsAllowed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "seen waiting for its start, as only remote sessions are",
            steps: [.api("WAITING_TO_START", 0), .callback("SESSION_STARTED", 5)], now: 140,
            effective: "STARTED", stop: (true, .sessionOngoing), start: (true, .severalSessionsAllowed, nil),
            abandon: (false, .notStuck)),
    ]

    static let stopping: [Case] = [
        Case(
            name: "stop asked for", steps: running + [.client(.stop, 1000)], now: 1001, effective: "WAITING_TO_STOP",
            stop: (true, .stopInProgress), start: (true, .severalSessionsAllowed, nil),
            abandon: (false, .stopInProgress)),
        Case(
            name: "stop hangs", steps: running + [.client(.stop, 1000)], now: 1180, effective: "WAITING_TO_STOP",
            stop: (true, .stopInProgress), start: (true, .severalSessionsAllowed, nil), abandon: (true, .stopTimedOut)),
        Case(
            name: "stop hangs, and was asked for again", steps: running + [.client(.stop, 1000), .client(.stop, 1170)],
            now: 1180, effective: "WAITING_TO_STOP", stop: (true, .stopInProgress),
            start: (true, .severalSessionsAllowed, nil), abandon: (true, .stopTimedOut)),
        Case(
            name: "stop ignored", steps: running + [.client(.stop, 1000), .api("STARTED", 1100)], now: 1101,
            effective: "STARTED", stop: (true, .sessionOngoing), start: (true, .severalSessionsAllowed, nil),
            abandon: (false, .notStuck)),
        Case(
            name: "stop ignored three times",
            steps: running + [
                .client(.stop, 1000), .api("STARTED", 1002), .client(.stop, 1010), .api("STARTED", 1012),
                .client(.stop, 1020), .api("STARTED", 1022),
            ], now: 1023, effective: "STARTED", stop: (true, .sessionOngoing),
            start: (true, .severalSessionsAllowed, nil), abandon: (true, .stopFailedRepeatedly)),
        Case(
            name: "stop ignored of one that started a day ago",
            steps: running + [.client(.stop, 86_390), .api("STARTED", 86_392)], now: 86_500, effective: "STARTED",
            stop: (true, .sessionOngoing), start: (true, .severalSessionsAllowed, nil),
            abandon: (true, .startedTooLong)),
        Case(
            name: "stop failed", steps: stopFailed, now: 1011, effective: "STOP_FAILED",
            stop: (true, .stopCanBeRetried),
            start: (false, .stopFailedRecently, 1190), abandon: (false, .stopCanBeRetried)),
        Case(
            name: "stop failed minutes ago", steps: stopFailed, now: 1190, effective: "STOP_FAILED",
            stop: (true, .stopCanBeRetried), start: (true, .stopFailedTooLong, nil), abandon: (true, .stopFailedTooLong)
        ),
        Case(
            name: "stop failed again: the wait does not start anew",
            steps: stopFailed + [.client(.stop, 1180), .callback("SESSION_STOP_FAILED", 1185)], now: 1190,
            effective: "STOP_FAILED", stop: (true, .stopCanBeRetried), start: (true, .stopFailedTooLong, nil),
            abandon: (true, .stopFailedTooLong)),
        Case(
            name: "stop failed three times",
            steps: stopFailed + [.callback("SESSION_STOP_FAILED", 1020), .callback("SESSION_STOP_FAILED", 1030)],
            now: 1031, effective: "STOP_FAILED", stop: (true, .stopCanBeRetried),
            start: (false, .stopFailedRecently, 1190), abandon: (true, .stopFailedRepeatedly)),
        Case(
            name: "stop failed and abandoned", steps: stopFailed + [.client(.abandon, 1020)], now: 1021,
            effective: "STOP_FAILED", stop: (true, .stopCanBeRetried), start: (true, .sessionAbandoned, nil),
            abandon: (false, .alreadyAbandoned)),
        Case(
            name: "stop failed, then stopped", steps: stopFailed + [.callback("SESSION_STOPPED", 1020)], now: 1021,
            effective: "STOPPED", stop: (false, .alreadyStopped), start: (true, .sessionEnded, nil),
            abandon: (false, .sessionEnded)),
    ]

    static let ended: [Case] = [
        Case(
            name: "complete within the cooldown", steps: requested + [.callback("SESSION_COMPLETE", 30)], now: 40,
            effective: "COMPLETE", stop: (false, .alreadyStopped), start: (false, .cooldown, 60),
            abandon: (false, .sessionEnded), payment: (false, .paymentUnknown)),
        Case(
            name: "complete and local",
            steps: [.api("COMPLETE", 0, #","balanceStatus":"PAID","chargingKeyType":"rfid""#)],
            now: 1, effective: "COMPLETE", stop: (false, .alreadyStopped), start: (true, .sessionEnded, nil),
            abandon: (false, .sessionEnded), payment: (false, .paymentSettled)),
        Case(
            name: "in debt", steps: [.api("COMPLETE", 0, #","balanceStatus":"DEBT""#)], now: 1, effective: "COMPLETE",
            stop: (false, .alreadyStopped), start: (true, .sessionEnded, nil), abandon: (false, .sessionEnded),
            payment: (true, .paymentInDebt)),
        Case(
            name: "being paid", steps: [.api("COMPLETE", 0, #","balanceStatus":"PROCESSING""#)], now: 1,
            effective: "COMPLETE", stop: (false, .alreadyStopped), start: (true, .sessionEnded, nil),
            abandon: (false, .sessionEnded), payment: (false, .paymentProcessing)),
        Case(
            name: "balance refunded", steps: [.api("COMPLETE", 0, #","balanceStatus":"REFUND""#)], now: 1,
            effective: "COMPLETE", stop: (false, .alreadyStopped), start: (true, .sessionEnded, nil),
            abandon: (false, .sessionEnded), payment: (false, .paymentRefunded)),
        Case(
            name: "refunded", steps: [.api("COMPLETE", 0, #","balanceStatus":"DEBT""#), .api("REFUNDED", 5)], now: 6,
            effective: "REFUNDED", stop: (false, .alreadyStopped), start: (true, .sessionEnded, nil),
            abandon: (false, .sessionEnded), payment: (false, .paymentRefunded)),
        Case(
            name: "failed start, then complete",
            steps: [.callback("SESSION_START_FAILED", 0), .callback("SESSION_COMPLETE", 900)], now: 901,
            effective: "COMPLETE", stop: (false, .alreadyStopped), start: (true, .sessionEnded, nil),
            abandon: (false, .sessionEnded), payment: (false, .paymentUnknown)),
    ]

    static func history(_ steps: [Step]) throws -> SessionRecord {
        var record = SessionRecord(sessionId: "S1")
        for (index, step) in steps.enumerated() {
            let fact: SessionEvent
            let at: Instant
            switch step {
            case .callback(let name, let seconds):
                at = base.adding(seconds: seconds)
                fact = try callback(name, at.rfc3339)
            case .client(let action, let seconds):
                at = base.adding(seconds: seconds)
                let body = SessionEvent.clientBody(action, sessionId: "S1", userId: "u", connectorId: "c1", at: at)
                fact = try SessionEvent.decode(body, source: .client)
            case .api(let status, let seconds, let extras):
                at = base.adding(seconds: seconds)
                fact = try event(
                    #"{"event":"DRIVE_API_SESSION","payload":{"sessionId":"S1","timestamp":"\#(at.rfc3339)","sessionStatus":"\#(status)"\#(extras)}}"#,
                    source: .driveApi)
            }
            record.apply(fact, position: Int64(index + 1), receivedAt: at.adding(seconds: 1))
        }
        return record
    }

    @Test(arguments: starting + ongoing + stopping + ended) func `guidance is what the table says`(_ test: Case) throws
    {
        let record = try Self.history(test.steps)
        let now = Self.base.adding(seconds: test.now)
        let guidance = Guidance(record, now: now)
        #expect(guidance.effectiveStatus.name == test.effective)
        #expect(guidance.stop.isAllowed == test.stop.0)
        #expect(guidance.stop.reason == test.stop.1)
        #expect(guidance.startAnother.isAllowed == test.start.0)
        #expect(guidance.startAnother.reason == test.start.1)
        #expect(guidance.startAnother.notBefore == test.start.2.map { Self.base.adding(seconds: $0) })
        #expect(guidance.abandon.isAllowed == test.abandon.0)
        #expect(guidance.abandon.reason == test.abandon.1)
        #expect(guidance.retryPayment.isAllowed == test.payment.0)
        #expect(guidance.retryPayment.reason == test.payment.1)

        // A stuck session never blocks for good, and guidance says itself when it changes.
        #expect(Guidance(record, now: now.adding(seconds: 200)).startAnother.isAllowed)
        if let changesAt = guidance.changesAt {
            #expect(changesAt > now)
            let justBefore = Instant(seconds: changesAt.seconds - 1, nanoseconds: 999_999_999)
            #expect(Guidance(record, now: justBefore) == guidance)
            #expect(Guidance(record, now: changesAt) != guidance)
        } else {
            #expect(Guidance(record, now: .latest) == guidance)
        }
    }

    @Test func `a clock ahead of ours does not block`() throws {
        let failed = try callback("SESSION_START_FAILED", "2099-01-01T00:00:00Z")
        let receivedAt = try instant("2025-06-12T10:00:00Z")
        let record = try record([failed], receivedFrom: receivedAt)
        #expect(Guidance(record, now: receivedAt.adding(seconds: 60)).startAnother.isAllowed)
        #expect(Anomaly.all(of: record, now: receivedAt) == [.timestampInFuture])
    }

    @Test func `settings and other sessions of the connector count`() throws {
        let record = try Self.history(Self.running)
        let now = Self.base.adding(seconds: 300)
        var settings = GuidanceSettings()
        settings.connectorCooldownSeconds = 400
        let guidance = Guidance(record, now: now, settings: settings)
        #expect(guidance.startAnother.notBefore == Self.base.adding(seconds: 400))
        #expect(guidance.connectorId == "c1")
        let other = Guidance(record, now: now, connectorStartedAt: now.adding(seconds: -10))
        #expect(other.startAnother.notBefore == now.adding(seconds: 50))
        var writer = JSONWriter()
        writer.beginObject()
        other.writeMembers(to: &writer)
        writer.endObject()
        #expect(
            text(writer.bytes)
                == #"{"effectiveStatus":"STARTED","actions":{"stop":{"allowed":true,"reason":"SESSION_ONGOING"},"startAnother":"#
                + #"{"allowed":false,"notBefore":"\#(now.adding(seconds: 50).rfc3339)","reason":"COOLDOWN","connectorId":"c1","elsewhere":true},"#
                + #""abandon":{"allowed":false,"reason":"NOT_STUCK"},"retryPayment":{"allowed":false,"reason":"NOT_COMPLETE"}}}"#
        )
    }

    @Test(
        arguments: [
            (
                [.callback("SESSION_STARTED", 0), .callback("SESSION_STOPPED", 9), .callback("SESSION_COMPLETE", 10)],
                20, []
            ),
            ([.callback("SESSION_STOPPED", 0)], 20, [.startedMissing]),
            ([.callback("SESSION_COMPLETE", 0)], 20, [.startedMissing, .stoppedMissing]),
            ([.callback("SESSION_STARTED", 0), .callback("SESSION_COMPLETE", 9)], 20, [.stoppedMissing]),
            ([.callback("SESSION_START_FAILED", 0)], 20, []),
            ([.callback("SESSION_START_FAILED", 0), .callback("SESSION_STARTED", 5)], 20, [.revivedAfterFailure]),
            ([.callback("SESSION_STARTED", 0), .callback("SESSION_START_FAILED", 5)], 20, []),
            ([.callback("SESSION_STARTED", 0)], 86_399, []),
            ([.callback("SESSION_STARTED", 0)], 86_400, [.startedTooLong]),
            ([.callback("SESSION_STARTED", 0), .api("STARTED", 80_000)], 86_400, [.startedTooLong]),
            ([.callback("SESSION_STARTED", 0), .callback("SESSION_STOPPED", 5)], 900_000, []),
            ([.callback("SESSION_STARTED", 0), .client(.abandon, 9)], 20, []),
            ([.callback("SESSION_STARTED", 0), .client(.start, 9)], 20, [.userIdConflict]),
            ([.callback("SESSION_STARTED", 9), .callback("SESSION_STOPPED", 8)], 20, [.stoppedBeforeStarted]),
            ([.client(.start, 0)], 119, []),
            ([.client(.start, 0)], 120, [.startTimedOut]),
            ([.api("CREATED", 0), .client(.start, 60)], 120, [.startTimedOut]),
            ([.api("CREATED", 0), .callback("SESSION_STARTED", 500)], 500, []),
            (stuck, 1189, []),
            (stuck, 1190, [.stopFailingTooLong]),
            (stuck + [.client(.stop, 1100), .callback("SESSION_STOP_FAILED", 1110)], 1190, [.stopFailingTooLong]),
            (stuck + [.client(.stop, 1100)], 1190, [.stopFailingTooLong]),
            (stuck + [.callback("SESSION_STOPPED", 1100)], 1190, []),
            ([.api("COMPLETE", 9, #","startTime":"2025-06-15T15:06:40Z""#)], 20, [.stoppedMissing]),
        ] as [([Step], Int64, [Anomaly])])
    func `anomalies are told`(steps: [Step], now: Int64, expected: [Anomaly]) throws {
        #expect(Anomaly.all(of: try Self.history(steps), now: Self.base.adding(seconds: now)) == expected)
    }
}
