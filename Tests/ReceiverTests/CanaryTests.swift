import HTTPClient
import SessionModel
import Testing

@testable import Receiver

/// A probe comes as any callback does, and leaves nothing behind.
struct CanaryTests {
    @Test func `a probe is answered, and is no session and no callback`() throws {
        let store = FakeStore()
        try withReceiver(store) { server, _ throws in
            let body = #"{"event":"CHARGEFOLD_CANARY","payload":{"sessionId":"c","timestamp":"2025-06-12T10:00:00Z"}}"#
            let answer = try server.post(Array(body.utf8))
            #expect(answer.status == 200 && answer.json?.string("outcome") == "canary")
            store.behave(.fails(FakeStore.diskFull))
            #expect(try server.post(Array(body.utf8)).status == 503, "it asks whether a callback could be made durable")
            let metrics = try server.get("/metrics", token: nil).text
            #expect(metrics.contains("chargefold_callbacks_total{outcome=\"unavailable\"} 0\n"))
            #expect(metrics.contains("chargefold_callbacks_total{outcome=\"accepted\"} 0\n"))
            #expect(metrics.contains("chargefold_last_callback_timestamp_seconds 0.0\n"))
            #expect(metrics.contains("chargefold_callbacks_verified_total{secret=\"current\"} 0\n"))
        }
    }
}
