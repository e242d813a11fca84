import Base
import SessionModel
import Testing

@testable import Sandbox

@Suite struct ChaosTests {
    /// Many drivers, who start and stop at their own times.
    private func run(
        seed: UInt64, _ chaos: Chaos, drivers: Int = 150, step: Double = 10, reversed: Bool = false
    ) throws -> Stage {
        var stage = Stage {
            $0.seed = seed
            $0.chaos = chaos
            $0.furtherChargers = drivers
        }
        let connectors = stage.world.catalog.connectorIds.suffix(drivers)
        var ids: [(String, String)] = []
        var order = Array(zip(0..<drivers, connectors))
        if reversed { order.reverse() }
        for (driver, connector) in order {
            ids.append((try stage.start("driver-\(driver)", connector), "driver-\(driver)"))
        }
        for time in stride(from: step, through: 9000, by: step) {
            stage.pass(step)
            if time == 500 { for (id, user) in ids where id.utf8.first ?? 0 < 0x60 { try stage.stop(id, user) } }
        }
        return stage
    }

    /// What each driver's session came to, and what was told of it.
    private func story(_ stage: Stage) -> [String: [String]] {
        var stories: [String: [String]] = [:]
        for session in stage.world.sessions {
            stories[session.userId] =
                [session.sessionId, session.status.name, session.balanceStatus ?? ""]
                + session.history.map { "\($0.status.name) \($0.at.rfc3339)" }
                + session.callbacks.map { "\($0.name) \($0.timestamp.rfc3339) \($0.fate) \($0.sent)" }
        }
        return stories
    }

    @Test func `the same seed gives the same run, however time passes and whoever comes first`() throws {
        let chaos = try #require(Chaos.preset("rough"))
        let first = try run(seed: 3, chaos)
        let fine = try run(seed: 3, chaos, step: 2.5)
        let reversed = try run(seed: 3, chaos, reversed: true)
        // Compared outside the macro, which would print all of it.
        let isSame = first.callbacks == fine.callbacks
        #expect(isSame)
        let wanted = story(first)
        for other in [story(fine), story(reversed)] {
            #expect(wanted.keys.filter { wanted[$0] != other[$0] } == [])
        }
        let another = story(try run(seed: 4, chaos))
        #expect(wanted.keys.contains { wanted[$0] != another[$0] })
        #expect(first.world.due == 0)
    }

    @Test func `one share changes nothing else`() throws {
        var chaos = Chaos.none
        let calm = try run(seed: 3, chaos)
        chaos.callbacks.drop = 0.3
        let lossy = try run(seed: 3, chaos)
        #expect(lossy.callbacks.count < calm.callbacks.count)
        let isSame = zip(calm.world.sessions, lossy.world.sessions).allSatisfy {
            $0.history.map(\.at) == $1.history.map(\.at)
        }
        #expect(isSame)
    }

    @Test func `shares are what they say`() throws {
        var chaos = Chaos.none
        chaos.callbacks.drop = 0.1
        chaos.callbacks.repeat = 0.2
        chaos.sessions.debt = 0.2
        let stage = try run(seed: 1, chaos, drivers: 500)
        let fates = stage.world.sessions.flatMap { $0.callbacks.map(\.fate) }
        #expect((100...200).contains(fates.count(where: \.isDropped)))
        #expect((200...340).contains(fates.count { $0.delays.count == 2 }))
        #expect((60...140).contains(stage.world.sessions.count { $0.balanceStatus == "DEBT" }))
        #expect(stage.callbacks.count == fates.reduce(0) { $0 + $1.delays.count })
    }

    @Test func `what is told, folded, is the truth, in any order, as far as it is told`() throws {
        var chaos = try #require(Chaos.preset("rough"))
        chaos.callbacks.drop = 0
        // What no callback tells.
        chaos.sessions.refund = 0
        let stage = try run(seed: 11, chaos)
        var callbacks = stage.callbacks
        var random = SeededRandom(seed: 5)
        random.shuffle(&callbacks)
        var records: [Int: SessionRecord] = [:]
        for (index, callback) in callbacks.enumerated() {
            let event = try SessionEvent.decode(callback.body)
            records[callback.session, default: SessionRecord(sessionId: event.sessionId)].apply(
                event, position: Int64(index + 1), receivedAt: event.timestamp,
                place: Place(origin: .none, sequence: Int64(index + 1)))
        }
        #expect(records.count == stage.world.sessions.count)
        for session in stage.world.sessions {
            #expect(records[session.number]?.state.status == session.status, "\(session.sessionId)")
        }
        #expect(stage.world.sessions.contains { $0.status == .failed })
        #expect(stage.world.sessions.contains { session in session.history.contains { $0.status == .stopFailed } })
    }

    @Test func `a file may be YAML or JSON, and start from a preset`() throws {
        let yaml = try Chaos(yaml: Array("preset: mild\ncallbacks:\n  drop: 0.5\napi: { outage: true }\n".utf8))
        var expected = try #require(Chaos.preset("mild"))
        expected.callbacks.drop = 0.5
        expected.api.outage = 1
        #expect(yaml == expected)
        #expect(
            try Chaos(yaml: Array(#"{"preset":"mild","callbacks":{"drop":0.5},"api":{"outage":1}}"#.utf8)) == expected)
        var changed = Chaos.none
        try changed.apply(CanonicalJSON(parsing: #"{"preset":"mild","callbacks":{"drop":0.5},"api":{"outage":true}}"#))
        #expect(changed == expected)
        var writer = JSONWriter()
        expected.write(to: &writer)
        #expect(try Chaos(yaml: writer.bytes) == expected)
    }

    @Test(arguments: [
        "preset: wild", "callbacks: { drop: 2 }", "callbacks: { dorp: 0.1 }", "callbacks: { drop: often }",
        "sessions: { chargeSecondsMin: 5000 }", "callbacks: [", "drop: 0.1", "callbacks: { drop: [1, 2] }",
    ]) func `what can't be meant is refused`(text: String) {
        #expect(throws: ChaosError.self) { try Chaos(yaml: Array(text.utf8)) }
    }

    @Test func `outages come and go`() {
        var stage = Stage()
        stage.world.chaos.api.outageEverySeconds = 100
        stage.world.chaos.api.outageSeconds = 10
        let down = [0, 89, 90, 99, 100, 190, 200].map { stage.world.isDown(at: $0 * 1_000_000) }
        #expect(down == [false, false, true, true, false, true, false])
        stage.world.chaos.api.outage = 1
        #expect(stage.world.isDown(at: 0))
    }

    @Test func `some start in the end, some complete out of nowhere, and some show a status nobody knows`() throws {
        var chaos = Chaos.none
        chaos.sessions.startFailsThenCharges = 1
        chaos.sessions.unknownStatus = 0.5
        let stage = try run(seed: 2, chaos, drivers: 40)
        let told = try stage.world.sessions.map { try stage.events($0.sessionId) }
        #expect(told.contains(["SESSION_START_FAILED", "SESSION_COMPLETE"]))
        #expect(told.contains(["SESSION_START_FAILED", "SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"]))
        #expect(stage.world.sessions.allSatisfy { $0.status == .complete })
        #expect(
            stage.world.sessions.contains { session in
                session.history.contains { $0.status == .other("SUSPENDED_BY_GRID") }
            })
    }
}
