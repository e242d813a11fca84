import SessionModel
import Testing

@testable import Sandbox

@Suite struct WorldTests {
    @Test func `a session that goes well`() throws {
        var stage = Stage()
        let id = try stage.start()
        #expect(id.count == 11)
        #expect(try stage.status(id) == .created)
        stage.pass(1)
        #expect(try stage.status(id) == .waitingToStart)
        stage.pass(10)
        #expect(try stage.status(id) == .started)
        stage.pass(900)
        try stage.stop(id)
        #expect(try stage.status(id) == .waitingToStop)
        stage.pass(5)
        #expect(try stage.status(id) == .stopped)
        while try stage.status(id) == .stopped { stage.pass(0.5) }
        #expect(try stage.answer(id).string("balanceStatus") == "PROCESSING")
        stage.pass(100)
        let answer = try stage.answer(id)
        #expect(answer.string("sessionStatus") == "COMPLETE")
        #expect(answer.string("balanceStatus") == "PAID")
        #expect(answer.string("chargingKeyType") == "virtual")
        #expect(answer.member("receiptAvailable")?.bool == true)
        #expect(answer.member("price")?.member("minorInclVat") == answer.member("balanceAmountMinor"))
        #expect(try stage.events(id) == ["SESSION_STARTED", "SESSION_STOPPED", "SESSION_COMPLETE"])
        try stage.stop(id)
        #expect(try stage.status(id) == .complete)
        #expect(stage.world.due == 0)
    }

    @Test func `nobody stops it: the car is full`() throws {
        var stage = Stage()
        let id = try stage.start()
        stage.pass(4000)
        #expect(try stage.status(id) == .complete)
    }

    @Test func `the four error cases`() throws {
        var stage = Stage()
        let hanging = try stage.start("user1", Stage.hanging)
        let ignored = try stage.start("user1", stage.connector(of: "DE*DRV*E4JanRe"))
        let unstartable = try stage.start("user1", stage.connector(of: "DE*DRV*E9svnVs"))
        let unstoppable = try stage.start("user1", stage.connector(of: "DE*DRV*E8vsnVn"))
        stage.pass(10)
        #expect(try stage.status(ignored) == .started)
        #expect(try stage.status(unstoppable) == .started)
        for id in [hanging, ignored, unstartable, unstoppable] { try stage.stop(id) }
        stage.pass(100_000)
        #expect(try stage.status(hanging) == .waitingToStart)
        #expect(try stage.events(hanging).isEmpty)
        #expect(try stage.status(ignored) == .started)
        #expect(try stage.events(ignored) == ["SESSION_STARTED"])
        #expect(try stage.status(unstartable) == .failed)
        #expect(try stage.events(unstartable) == ["SESSION_START_FAILED"])
        #expect(try stage.status(unstoppable) == .stopFailed)
        try stage.stop(unstoppable)
        stage.pass(10)
        #expect(try stage.status(unstoppable) == .stopFailed)
        #expect(
            try stage.events(unstoppable) == ["SESSION_STARTED", "SESSION_STOP_FAILED", "SESSION_STOP_FAILED"])
    }

    @Test func `a second start within a minute never reaches the operator`() throws {
        var stage = Stage()
        let first = try stage.start()
        stage.pass(59)
        let second = try stage.start("user2")
        #expect(try stage.status(second) == .failed)
        stage.pass(1)
        let third = try stage.start("user3")
        stage.pass(10)
        #expect(try stage.status(third) == .started)
        #expect(try stage.status(first) == .started)
        #expect(try stage.events(second) == ["SESSION_START_FAILED"])

        var strict = Stage { $0.refusesBlockedStarts = true }
        _ = try strict.start()
        strict.pass(0.5)
        #expect(throws: World.Refusal.connectorBlocked(secondsLeft: 60)) { try strict.start() }
    }

    @Test func `who must sign signs once`() throws {
        var stage = Stage()
        guard case .mustSign(let secret) = try stage.world.start(user: "u-3ds", connector: Stage.castle, at: 0) else {
            throw World.Refusal.unknownSession
        }
        #expect(!secret.isEmpty)
        #expect(stage.world.sessions.isEmpty)
        #expect(try stage.start("u-3ds") != "")
    }

    @Test func `what does not exist is refused`() throws {
        var stage = Stage()
        let id = try stage.start()
        #expect(throws: World.Refusal.unknownConnector) { try stage.start("user1", "nowhere") }
        #expect(throws: World.Refusal.unknownSession) { try stage.stop(id, "another") }
        #expect(throws: World.Refusal.unknownSession) { try stage.stop("nothing") }
        #expect(throws: World.Refusal.notInDebt) { try stage.world.retryPayment(user: "user1", sessionId: id) }
        #expect(throws: World.Refusal.noReceipt) { try stage.world.receipt(user: "user1", sessionId: id, at: 0) }
    }

    @Test func `a local session can't be stopped remotely, but at the charger`() throws {
        var stage = Stage()
        let number = try stage.world.startLocally(user: "user1", connector: Stage.castle, at: 0)
        let id = stage.world.sessions[number].sessionId
        stage.pass(1)
        #expect(try stage.status(id) == .started)
        #expect(throws: World.Refusal.notRemote) { try stage.stop(id) }
        let isFee = try stage.world.intervene(.fee, sessionId: id, at: stage.now)
        let isDone = try stage.world.intervene(.unplug, sessionId: id, at: stage.now)
        #expect(isFee && isDone)
        stage.pass(100)
        #expect(
            try stage.events(id) == ["SESSION_STARTED", "SESSION_FEE_INCURRING", "SESSION_STOPPED", "SESSION_COMPLETE"])
        let again = try stage.world.intervene(.unplug, sessionId: id, at: stage.now)
        #expect(!again)
        #expect(try stage.answer(id).string("chargingKeyType") == "rfid")
    }

    @Test func `debt, payment and refund`() throws {
        var stage = Stage()
        let id = try stage.start()
        _ = try stage.world.intervene(.debt, sessionId: id, at: stage.now)
        stage.pass(4000)
        #expect(try stage.answer(id).string("balanceStatus") == "DEBT")
        try stage.world.retryPayment(user: "user1", sessionId: id)
        #expect(try stage.answer(id).string("balanceStatus") == "PAID")
        let url = try stage.world.receipt(user: "user1", sessionId: id, at: stage.now)
        #expect(url.hasPrefix("https://"))
        let isRefunded = try stage.world.intervene(.refund, sessionId: id, at: stage.now)
        #expect(isRefunded)
        let answer = try stage.answer(id)
        #expect(answer.string("sessionStatus") == "REFUNDED")
        #expect(answer.string("balanceStatus") == "REFUND")
    }

    @Test func `history pages through what it is asked for, the latest first`() throws {
        var stage = Stage()
        var ids: [String] = []
        for _ in 0..<5 {
            ids.append(try stage.start())
            stage.pass(4000)
        }
        let running = try stage.start()
        stage.pass(10)
        var query = World.HistoryQuery()
        query.limit = 2
        var pages: [[String]] = []
        repeat {
            let page = stage.world.history(user: "user1", query)
            pages.append(page.numbers.map { stage.world.sessions[$0].sessionId })
            query.before = page.cursor
        } while query.before != nil
        #expect(pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]])

        query = World.HistoryQuery()
        query.statuses = ["STARTED"]
        #expect(
            stage.world.history(user: "user1", query).numbers.map { stage.world.sessions[$0].sessionId } == [running])
        query.statuses = ["COMPLETE"]
        // Both bounds are inclusive.
        query.startTime = try stage.session(ids[1]).startTime
        query.endTime = try stage.session(ids[3]).startTime
        #expect(stage.world.history(user: "user1", query).numbers.count == 3)
        #expect(stage.world.history(user: "another", query).numbers.isEmpty)
        query.chargingKeyId = "none"
        #expect(stage.world.history(user: "user1", query).numbers.isEmpty)
    }

    @Test func `detail records are sent again every night for a week, until they are taken`() throws {
        var stage = Stage { $0.sendsDetailRecords = true }
        let id = try stage.start()
        stage.pass(4000)
        func records() -> [Callback] { stage.callbacks.filter { $0.kind == .detailRecord } }
        #expect(records().count == 1)
        for night in 1...9 {
            let last = try #require(records().last)
            if last.attempt == night - 1 { stage.world.noteAnswer(500, to: last, at: stage.now) }
            stage.pass(86_400)
        }
        #expect(records().map(\.attempt) == Array(0...7))
        #expect(Set(records().map(\.body)).count == 1)
        #expect(try stage.session(id).callbacks.last?.sent == 8)
    }

    @Test func `a record that was taken is not sent again`() throws {
        var stage = Stage { $0.sendsDetailRecords = true }
        _ = try stage.start()
        stage.pass(4000)
        let record = try #require(stage.callbacks.last { $0.kind == .detailRecord })
        stage.world.noteAnswer(200, to: record, at: stage.now)
        stage.pass(100_000)
        #expect(stage.callbacks.count { $0.kind == .detailRecord } == 1)
    }

    @Test(arguments: [
        (0, "PT0S"), (12_333_000, "PT12.333S"), (900_000_000, "PT15M"), (30_510_000, "PT30.51S"),
        (3_723_000_000, "PT1H2M3S"), (3_600_000_000, "PT1H"), (60_500_000, "PT1M0.5S"),
    ]) func `durations are written as the API does`(microseconds: Int64, text: String) {
        #expect(ISODuration.text(microseconds: microseconds) == text)
    }

    @Test func `distances are those of the globe`() {
        let metres = Catalog.metres(52.290056, 20.907028, 52.334242, 20.899305)
        #expect(abs(metres - 4941) < 10)
        let catalog = Catalog.stage(furtherChargers: 3)
        #expect(catalog.locations(near: 52.290056, 20.907028, metres: 500).map(\.location.id) == ["sandbox-castle"])
        #expect(catalog.locations(near: 52.334242, 20.899305, metres: 500).map(\.location.id) == ["sandbox-errors"])
        #expect(catalog.locations(near: 52.31, 20.9, metres: 10_000).count == 2)
        #expect(Set(catalog.connectorIds).count == catalog.connectorIds.count)
        #expect(catalog.connectorIds.allSatisfy { $0.utf8.count == 88 })
    }
}
