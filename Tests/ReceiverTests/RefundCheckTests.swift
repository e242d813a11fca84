import Base
import DriveAPI
import HTTPServer
import Ledger
import SessionIndex
import SessionModel
import SessionStore
import Testing

@testable import Receiver

/// Settled sessions are asked about once more, for a refund.
@Suite struct RefundCheckTests {
    private let week: Int64 = 168 * 3600

    private static func complete(_ extra: String = #","balanceStatus":"PAID""#) -> Response {
        Upstream.json(#"{"sessionId":"S1","sessionStatus":"COMPLETE","price":{"minorInclVat":95}\#(extra)}"#)
    }

    private static let refunded = Upstream.json(#"{"sessionId":"S1","sessionStatus":"REFUNDED"}"#)

    private func settle(_ server: RunningServer, _ time: ReconcilerTime) throws {
        _ = try server.post(Callback.body("SESSION_COMPLETE", "S1", extra: #","userId":"u1""#))
        try time.pass(0, server)
        try time.pass(80, server)
        // What has settled is noted with the next look at the clock.
        try time.pass(0, server)
    }

    @Test func `a refund is found a week later also by another process`() throws {
        let directory = TestDirectory()
        let time = ReconcilerTime()
        let upstream = Upstream { _, number in number == 1 ? Self.complete() : Self.refunded }
        try withReconciliation(upstream, in: directory, time: time) { server, time throws in
            try settle(server, time)
            #expect(upstream.calls.count == 1)
            try time.pass(week - 120, server)
            #expect(upstream.calls.count == 1)
        }
        try withReconciliation(upstream, in: directory, time: time) { server, time throws in
            try time.pass(200, server)
            #expect(upstream.calls.count == 2)
            #expect(try server.get("/v1/sessions/S1").json?.string("sessionStatus") == "REFUNDED")
            // Once, and no more.
            for _ in 0..<4 { try time.pass(week, server) }
            #expect(upstream.calls.count == 2)
        }
    }

    @Test func `one call a session and none where it is off`() throws {
        for (hours, calls): (Int64, Int) in [(168, 2), (0, 1)] {
            let upstream = Upstream { _, _ in Self.complete() }
            try withReconciliation(upstream, { $0.reconciliation.refundCheckHours = hours }) { server, time throws in
                try settle(server, time)
                for _ in 0..<4 { try time.pass(week, server) }
                #expect(upstream.calls.count == calls)
                #expect(server.features.driveAPI?.reconciler?.metrics.refundChecks.value == UInt64(calls - 1))
            }
        }
    }

    @Test func `no answer is no check and a few of them are the end`() throws {
        let upstream = Upstream { _, number in number == 1 ? Self.complete() : Upstream.json("{}", status: 500) }
        try withReconciliation(upstream) { server, time throws in
            try settle(server, time)
            try time.pass(week, server)
            #expect(upstream.calls.count == 2)
            for _ in 0..<200 { try time.pass(3600, server) }
            #expect(upstream.calls.count == 6)
        }
    }

    @Test func `a session that is gone is not asked about`() throws {
        let upstream = Upstream { _, _ in Self.complete() }
        try withReconciliation(
            upstream, { $0.api.adminToken = try Callback.key("token-of-an-operator") }
        ) { server, time throws in
            try settle(server, time)
            _ = try server.get("/v1/users/u1", method: "DELETE", token: "token-of-an-operator")
            for _ in 0..<4 { try time.pass(week, server) }
            #expect(upstream.calls.count == 1)
        }
    }
}
