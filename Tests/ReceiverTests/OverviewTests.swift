import Base
import SessionIndex
import SessionModel
import SessionStore
import Testing

@testable import Receiver

/// What the page goes by: callbacks of each minute, and what is usual.
struct OverviewTests {
    private func counts(_ accepted: UInt64, wrong: UInt64 = 0) -> CallbackCounts {
        var counts = CallbackCounts()
        counts.accepted = accepted
        counts.refused[.wrongCredentials] = wrong
        return counts
    }

    private func at(_ minute: Int64, _ second: Int64 = 0) -> Instant { Instant(seconds: minute * 60 + second) }

    @Test func `each minute has what came in it`() {
        var minutes = CallbackMinutes()
        minutes.note(counts(0), at: at(1_000, 20))
        minutes.note(counts(5), at: at(1_000, 40))
        minutes.note(counts(7), at: at(1_001, 1))
        minutes.note(counts(7, wrong: 2), at: at(1_003, 1))
        let found = minutes.minutes(counts(8, wrong: 3), now: at(1_003, 30))
        #expect(found.count == 60 && found.first?.at == at(944))
        #expect(found.suffix(4).map(\.accepted) == [7, 0, 0, 1])
        #expect(found.suffix(4).map(\.refused) == [0, 2, 0, 1])
        #expect(minutes.anHourAgo(now: at(1_003)) == counts(0))
    }

    @Test func `no more than an hour is kept, and a clock that jumps begins anew`() {
        var minutes = CallbackMinutes()
        for minute in 0..<200 as Range<Int64> { minutes.note(counts(UInt64(minute)), at: at(minute)) }
        let found = minutes.minutes(counts(200), now: at(199))
        #expect(found.map(\.accepted) == Array(repeating: 1, count: 60))
        #expect(minutes.anHourAgo(now: at(199)) == counts(140))
        minutes.note(counts(300), at: at(50))
        #expect(minutes.minutes(counts(301), now: at(50)).map(\.accepted).reduce(0, +) == 1)
    }

    @Test func `the schedule says when it asks about a session next`() {
        var settings = ReconciliationSettings()
        settings.soonSeconds = 0
        var schedule = ReconciliationSchedule(settings, seed: 1)
        let key = SessionKey("a")
        #expect(schedule.question(about: key) == nil)
        schedule.noted(key, .waitingToStop, now: 0)
        let due = schedule.question(about: key)?.dueAt ?? 0
        #expect(due >= 120_000_000_000 && schedule.question(about: key)?.tries == 0)
        #expect(schedule.takeDue(now: due) == key)
        #expect(schedule.question(about: key)?.dueAt == nil)
        schedule.ended(key, .answered(.waitingToStop), now: due)
        #expect(schedule.question(about: key)?.tries == 1)
    }

    @Test func `a name that is not known gets the nearest one that is`() {
        let known = ["status", "anomaly", "userId"]
        #expect(NearestName.hint("statsu", among: known) == " Did you mean status?")
        #expect(NearestName.hint("userid", among: known) == " Did you mean userId?")
        for (text, meant) in [
            ("stat", "status"), ("sessionStatus", "status"), ("anomalys", "anomaly"), ("STTAUS", "status"),
        ] {
            #expect(NearestName.hint(text, among: known) == " Did you mean \(meant)?")
        }
        #expect(NearestName.hint("connector", among: known) == " Known are: anomaly, status, userId.")
    }

    @Test func `the policy of the page lets its own script run, and nothing else`() {
        let policy = DashboardPage.contentSecurityPolicy
        #expect(policy.hasPrefix("default-src 'none'; script-src 'sha256-") && !policy.contains("unsafe"))
        let page = String(decoding: DashboardPage.html, as: UTF8.self)
        #expect(!page.contains("@STYLE@") && !page.contains("@SCRIPT@"))
        #expect(page.components(of: "<script").count == 2 && !page.contains("style=\""))
    }
}

extension String {
    fileprivate func components(of separator: String) -> [Substring] { split(separator: separator) }
}
