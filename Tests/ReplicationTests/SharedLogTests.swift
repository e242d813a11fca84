import Base
import PostgresTestSupport
import Replication
import Testing

/// With a real PostgreSQL (Debian's package `postgresql`; `scripts/test` installs it).
@Suite(.enabled(if: PostgresServer.isInstalled)) struct SharedLogTests {
    let server: PostgresServer
    let schema = newSchema()

    init() throws { server = try PostgresServer.common.get() }

    private func station(
        _ name: String, log: LogInMemory = LogInMemory(), memory: MemoryInMemory = MemoryInMemory(),
        change: (inout SharedLogSettings) -> Void = { _ in }
    ) throws -> Station {
        try Station(name, server.url, schema: schema, log: log, memory: memory, change: change)
    }

    @Test func `what one receives the other has`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        try await eventually("b is near") { await b.receive("two") == .replicated }
        try await eventually("both have both") {
            a.log.frontier == b.log.frontier && a.log.frontier.count == 2 && a.log.bodies == b.log.bodies
        }
        #expect(try server.query("select count(*) from \(schema).deliveries") == "\(a.log.bodies.count)")
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `a strict read sees whatever was acknowledged as replicated`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("b reads strictly") { await b.read() == .strict }
        try await eventually("a is near") { await a.receive("first") == .replicated }
        for number in 0..<200 {
            #expect(await a.receive("\(number)") == .replicated)
            #expect(await b.read() == .strict)
            #expect(b.log.frontier[a.log.origin] == a.log.frontier[a.log.origin])
        }
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `a directory from before is shipped whole, and an empty one gets everything`() async throws {
        let a = try station("a")
        for number in 0..<50 { a.log.receive((0..<100).map { "\(number) \($0)" }) }
        try await a.shared.start()
        let b = try station("b")
        try await b.shared.start()
        try await eventually("b has everything") { b.log.bodies == a.log.bodies }
        #expect(b.log.places(of: a.log.origin) == a.log.places(of: a.log.origin))
        #expect(a.shared.condition.unshipped == 0)
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `a start that the database confirms goes on under its origin`() async throws {
        let a = try station("a")
        let origin = a.log.origin
        try await a.shared.start()
        a.log.receive(["one"])
        await a.shared.stop()
        let again = try a.restarted(server.url, schema: schema)
        try await again.shared.start()
        #expect(again.log.origin == origin)
        try await eventually("it ships on") { await again.receive("two") == .replicated }
        #expect(try server.query("select epoch from \(schema).origins") == "2")
        await again.shared.stop()
    }

    @Test func `a crash between a try and its outcome is no clone`() async throws {
        let a = try station("a")
        let origin = a.log.origin
        try await a.shared.start()
        await a.shared.stop()
        // The directory as it was when the next start's try was durable and its outcome was not.
        let before = a.memory.copy()
        let again = try station("a", log: a.log, memory: before)
        try await again.shared.start()
        await again.shared.stop()
        let state = String(decoding: try #require(try before.load()), as: UTF8.self)
        let holder = try server.query("select encode(holder, 'hex') from \(schema).origins")
        #expect(state.contains(holder))
        #expect(again.log.origin == origin)
    }

    @Test func `of a clone and its original one goes on, and nothing is lost`() async throws {
        let a = try station("a")
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        let origin = a.log.origin
        let clone = try station("clone", log: a.log.copy(), memory: a.memory.copy())
        try await clone.shared.start()
        // It goes on; the original looks now and then whether it still may.
        #expect(clone.log.origin == origin)
        a.log.receive(["of the original"])
        clone.log.receive(["of the clone"])
        try await eventually("the original has another origin") { clone.log.origin != a.log.origin }
        try await eventually("both have everything") {
            let all = Set(["one", "of the original", "of the clone"])
            return Set(a.log.bodies).isSuperset(of: all) && Set(clone.log.bodies).isSuperset(of: all)
        }
        await a.shared.stop()
        await clone.shared.stop()
    }

    @Test func `what a crash took between the commit there and the sync here is taken back first`() async throws {
        let a = try station("a")
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        let (log, memory) = (a.log.copy(), a.memory.copy())
        for body in ["two", "three", "four"] { #expect(await a.receive(body) == .replicated) }
        await a.shared.stop()
        let again = try station("a", log: log, memory: memory)
        try await again.shared.start()
        #expect(again.log.origin == a.log.origin)
        #expect(again.log.places(of: a.log.origin) == a.log.places(of: a.log.origin))
        #expect(again.log.receive(["five"]).sequence == a.log.last(of: a.log.origin) + 1)
        try await eventually("it ships on") {
            try server.query("select max(sequence) from \(schema).deliveries") == "\(again.log.last(of: a.log.origin))"
        }
        await again.shared.stop()
    }

    @Test func `of an older copy and its original one goes on, and nothing is lost`() async throws {
        let a = try station("a")
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        let (log, memory) = (a.log.copy(), a.memory.copy())
        #expect(await a.receive("two") == .replicated)
        let copy = try station("copy", log: log, memory: memory)
        try await copy.shared.start()
        a.log.receive(["of the original"])
        copy.log.receive(["of the copy"])
        try await eventually("they have different origins") { copy.log.origin != a.log.origin }
        try await eventually("both have everything") {
            let all = Set(["one", "two", "of the original", "of the copy"])
            return Set(a.log.bodies).isSuperset(of: all) && Set(copy.log.bodies).isSuperset(of: all)
        }
        await a.shared.stop()
        await copy.shared.stop()
    }

    @Test func `a much older copy takes a new origin and pulls the rest of the old one`() async throws {
        let a = try station("a")
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        let (log, memory) = (a.log.copy(), a.memory.copy())
        a.log.receive((0..<5_000).map { "much \($0)" })
        #expect(await a.receive("two") == .replicated)
        await a.shared.stop()
        let copy = try station("a", log: log, memory: memory)
        try await copy.shared.start()
        #expect(copy.log.origin != a.log.origin)
        copy.log.receive(["three"])
        try await eventually("it has the rest of the old one") { Set(copy.log.bodies) == Set(a.log.bodies + ["three"]) }
        #expect(copy.log.places(of: a.log.origin) == a.log.places(of: a.log.origin))
        await copy.shared.stop()
    }

    @Test func `a database that has lost everything gets it again, with the same numbers`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        try await b.shared.start()
        try await eventually("b is near") { await b.receive("two") == .replicated }
        try await eventually("both have both") { a.log.bodies == b.log.bodies }
        let numbers = try server.query("select number, identity from \(schema).origins order by 1")
        try server.query("drop schema \(schema) cascade")
        try await eventually("a is near again") { await a.receive("three") == .replicated }
        try await eventually("everything is there again") {
            let count = try? server.query("select count(*) from \(schema).deliveries")
            return count == "\(a.log.bodies.count)" && a.log.bodies == b.log.bodies
        }
        #expect(try server.query("select number, identity from \(schema).origins order by 1") == numbers)
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `so it is where somebody comes first who has an empty directory`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        try await b.shared.start()
        try await eventually("b is near") { await b.receive("two") == .replicated }
        try await eventually("both have both") { a.log.bodies == b.log.bodies && a.log.bodies.count == 2 }
        await a.shared.stop()
        await b.shared.stop()
        let numbers = try server.query("select number, identity from \(schema).origins order by 1")
        try server.query("drop schema \(schema) cascade")
        let c = try station("c")
        try await c.shared.start()
        try await eventually("c is near") { await c.receive("three") == .replicated }
        let again = try a.restarted(server.url, schema: schema)
        try await again.shared.start()
        try await eventually("c has everything") { c.log.bodies == ["one", "three", "two"] }
        let others = "select number, identity from \(schema).origins where identity <> '\\x\(c.log.origin)' order by 1"
        #expect(try server.query(others) == numbers)
        await again.shared.stop()
        await c.shared.stop()
    }

    @Test func `what a gone receiver had shipped is shipped again by whoever has it`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        try await eventually("b has it") { b.log.bodies == a.log.bodies }
        await a.shared.stop()
        try server.query("delete from \(schema).deliveries; update \(schema).origins set shipped = 0")
        try await eventually("it is there again") {
            try server.query("select count(*) from \(schema).deliveries") == "\(b.log.bodies.count)"
        }
        let c = try station("c")
        try await c.shared.start()
        try await eventually("a new one gets it") { c.log.bodies == b.log.bodies }
        await b.shared.stop()
        await c.shared.stop()
    }

    @Test func `so it is where another one leads that does not have it`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        try await eventually("b has it") { b.log.bodies == a.log.bodies }
        await a.shared.stop()
        try server.query(
            """
            delete from \(schema).deliveries;
            update \(schema).origins set shipped = 0;
            insert into \(schema).leases as l (name, holder, epoch, until) values ('leader', 'c', 9, now() + interval '1 hour')
                on conflict (name) do update set holder = 'c', epoch = 9, until = now() + interval '1 hour'
            """)
        try await eventually("it is there again") {
            try server.query("select count(*) from \(schema).deliveries") == "\(b.log.bodies.count)"
        }
        await b.shared.stop()
    }

    @Test func `rows that somebody removed are shipped again`() async throws {
        let a = try station("a")
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("one", "two", "three") == .replicated }
        try server.query("truncate \(schema).deliveries")
        try await eventually("they are there again") {
            try server.query("select count(*) from \(schema).deliveries") == "\(a.log.bodies.count)"
        }
        await a.shared.stop()
    }

    @Test func `what damage took is had again, or known everywhere to be lost`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("a is near") { await a.receive("one", "two", "three") == .replicated }
        try await eventually("b has it") { b.log.bodies == a.log.bodies }
        let origin = a.log.origin
        let before = a.log.places(of: origin)
        await a.shared.stop()
        a.log.receive(["four", "five"])
        // One that was shipped, one that was not; and one of another's.
        let last = a.log.last(of: origin)
        a.log.lose([2, last - 1], of: origin)
        b.log.lose([1], of: origin)
        let again = try a.restarted(server.url, schema: schema)
        try await again.shared.start()
        #expect(again.log.origin == origin)
        try await eventually("what follows is shipped") { await again.receive("six") == .replicated }
        try await eventually("both have the same, and no hole") {
            again.log.places(of: origin) == b.log.places(of: origin)
                && again.log.frontier[origin] == last + 1 && b.log.frontier[origin] == last + 1
        }
        let now = again.log.places(of: origin)
        #expect(Array(now.prefix(before.count)) == before)
        #expect(now[Int(last) - 2] == .tombstone(SharedDelivery.lost, at: last - 1))
        await again.shared.stop()
        await b.shared.stop()
    }

    @Test func `a place with another content is kept twice`() async throws {
        let first = try station("a")
        try await first.shared.start()
        try await eventually("a is near") { await first.receive("one") == .replicated }
        await first.shared.stop()
        // Which remembers what was confirmed.
        let a = try first.restarted(server.url, schema: schema)
        try await a.shared.start()
        let last = try #require(a.log.frontier[a.log.origin])
        // As a database that was set back and written to by somebody else would have it.
        try server.query(
            """
            insert into \(schema).deliveries select number, \(last + 1), 1, 1, 'theirs' from \(schema).origins
            """)
        a.log.receive(["ours"])
        try await eventually("both are here") { Set(a.log.bodies).isSuperset(of: ["ours", "theirs"]) }
        let b = try station("b")
        try await b.shared.start()
        try await eventually("and elsewhere") { Set(b.log.bodies).isSuperset(of: ["one", "ours", "theirs"]) }
        #expect(a.shared.condition.alarms > 0)
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `what a receiver and the database lost together stays, beside what came in its place`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        let before = a.log.last(of: a.log.origin)
        let (log, memory) = (a.log.copy(), a.memory.copy())
        #expect(await a.receive("lost by both") == .replicated)
        try await eventually("the other one has it") { b.log.bodies.contains("lost by both") }
        await a.shared.stop()
        await b.shared.stop()
        try server.query("delete from \(schema).deliveries where sequence > \(before)")
        try server.query("update \(schema).origins set shipped = \(before) where shipped > \(before)")
        let again = try station("a", log: log, memory: memory)
        try await again.shared.start()
        #expect(again.log.origin == a.log.origin)
        try await eventually("its place has another content") { await again.receive("instead of it") == .replicated }
        let other = try b.restarted(server.url, schema: schema)
        try await other.shared.start()
        try await eventually("both have both") {
            [again, other].allSatisfy { Set($0.log.bodies).isSuperset(of: ["one", "lost by both", "instead of it"]) }
        }
        #expect(other.shared.condition.alarms > 0)
        await again.shared.stop()
        await other.shared.stop()
    }

    @Test func `a terminated connection costs nothing but time`() async throws {
        let (a, b) = (try station("terminated"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        for number in 0..<20 {
            a.log.receive(["\(number)"])
            try server.query(
                """
                select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'chargefold terminated %'
                and exists (select 1 from \(schema).receivers)
                """)
        }
        try await eventually("b has everything, in order") {
            b.log.places(of: a.log.origin) == a.log.places(of: a.log.origin) && b.log.bodies.count == 20
        }
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `an older release is kept out with words`() async throws {
        let a = try station("a")
        try await a.shared.start()
        await a.shared.stop()
        try server.query("update \(schema).meta set version = 9, min_reader = 9")
        let old = try station("old") { $0.localAfterMilliseconds = 200 }
        try await old.shared.start()
        try await eventually("it says why") { old.shared.condition.failure?.contains("newer release") == true }
        #expect(await old.receive("one") == .local)
        await old.shared.stop()
    }

    @Test func `one leads, and another when it stops`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await eventually("a leads") { a.shared.isLeader }
        try await b.shared.start()
        try await eventually("b is known") { try await a.shared.knownReceivers().count == 2 }
        #expect(!b.shared.isLeader)
        await a.shared.stop()
        try await eventually("b leads") { b.shared.isLeader }
        await b.shared.stop()
    }

    @Test func `of two who claim something one gets it`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        #expect(await a.shared.claim("start", "key", request: "r", milliseconds: 60_000) == .claimed)
        #expect(
            await b.shared.claim("start", "key", request: "r", milliseconds: 60_000)
                == .taken(request: "r", answer: nil))
        try await a.shared.finish("start", "key", answer: [1, 2])
        #expect(
            await b.shared.claim("start", "key", request: "r", milliseconds: 60_000)
                == .taken(request: "r", answer: [1, 2]))
        #expect(await b.shared.claim("cooldown", "c", request: "", milliseconds: 0) == .claimed)
        #expect(await a.shared.claim("cooldown", "c", request: "", milliseconds: 60_000) == .claimed)
        try await a.shared.release("cooldown", "c")
        #expect(await b.shared.claim("cooldown", "c", request: "", milliseconds: 60_000) == .claimed)
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `an erasure is done when every receiver has reported, or was forgotten`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("a is near") { await a.receive("person") == .replicated }
        try await eventually("both are known") { try await a.shared.knownReceivers().count == 2 }
        let number = try await a.shared.publishErasure([7], places: "1:1")
        #expect(try await a.shared.outstandingErasures(number) == ["a", "b"])
        try await a.shared.emptyShared(1...1, of: a.log.origin)
        try await a.shared.reportErasure(number)
        #expect(try await b.shared.pendingErasures().map(\.number) == [number])
        #expect(try await a.shared.pendingErasures().isEmpty)
        #expect(try await a.shared.outstandingErasures(number) == ["b"])
        await b.shared.stop()
        #expect(try await a.shared.forgetReceiver("b"))
        #expect(try await a.shared.outstandingErasures(number).isEmpty)
        #expect(try server.query("select source, body = '' from \(schema).deliveries where sequence = 1") == "255|t")
        await a.shared.stop()
    }

    @Test func `another receiver with another secret is noticed`() async throws {
        let a = try station("a") { $0.fingerprints = ["webhook": "1"] }
        try await a.shared.start()
        try await eventually("a is known") { try await a.shared.knownReceivers().count == 1 }
        let b = try station("b") { $0.fingerprints = ["webhook": "2", "other": "3"] }
        try await b.shared.start()
        try await eventually("b sees it") { b.shared.condition.mismatches == ["a": ["other", "webhook"]] }
        // The configuration was read again.
        a.shared.replaceFingerprints(["webhook": "2", "token of an app": "3"])
        try await eventually("b sees that") {
            b.shared.condition.mismatches == ["a": ["other", "token of an app"]]
        }
        a.shared.replaceFingerprints(["webhook": "2", "other": "3"])
        try await eventually("b sees no difference") { b.shared.condition.mismatches.isEmpty }
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `the quarantine is everybody's`() async throws {
        let (a, b) = (try station("a"), try station("b"))
        try await a.shared.start()
        try await b.shared.start()
        let item = SharedQuarantined(
            id: 3, receiver: "a", receivedMicroseconds: 5, reason: "R", credentials: [1], body: [2])
        #expect(try await a.shared.shareQuarantined(item))
        #expect(try await a.shared.shareQuarantined(item), "the same one again")
        let other = SharedQuarantined(
            id: 3, receiver: "b", receivedMicroseconds: 5, reason: "R", credentials: [], body: [7])
        #expect(try await b.shared.shareQuarantined(other) == false)
        #expect(try await b.shared.quarantined(after: 0, limit: 10) == [item])
        #expect(try await b.shared.emptyQuarantined(3))
        #expect(try await b.shared.emptyQuarantined(3) == false)
        // Until its receiver has seen it.
        #expect(try await a.shared.ownQuarantined() == [3: true])
        try await a.shared.removeQuarantined([3])
        #expect(try await a.shared.ownQuarantined().isEmpty)
        #expect(try await a.shared.quarantined(after: 0, limit: 10).isEmpty)
        await a.shared.stop()
        await b.shared.stop()
    }
}
