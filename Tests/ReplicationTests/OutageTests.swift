import Base
import PostgresTestSupport
import Replication
import Testing

/// What the database may do, with servers of their own.
@Suite(.enabled(if: PostgresServer.isInstalled), .serialized) struct OutageTests {
    let schema = newSchema()

    @Test func `a frozen database costs one wait, and everything is shipped when it goes on`() async throws {
        let server = try PostgresServer()
        let a = try Station("a", server.url, schema: schema) { $0.localAfterMilliseconds = 300 }
        let b = try Station("b", server.url, schema: schema) { $0.localAfterMilliseconds = 300 }
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("a is near") { await a.receive("before") == .replicated }
        server.freeze()
        #expect(await a.receive("frozen") == .local)
        // Nobody waits any more: these are answered at once, on this thread.
        for number in 0..<100 {
            let (origin, sequence) = a.log.receive(["\(number)"])
            let answered = Locked<Durability?>(nil)
            a.shared.whenShipped(sequence, of: origin) { durability in answered.withLock { $0 = durability } }
            #expect(answered.withLock { $0 } == .local)
        }
        #expect(await b.read() == .local)
        #expect(a.shared.condition.unshipped >= 101)
        server.thaw()
        try await eventually("everything is shipped") { a.shared.condition.unshipped == 0 }
        try await eventually("b has everything") { b.log.bodies == a.log.bodies }
        try await eventually("a is near again") { await a.receive("after") == .replicated }
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `a start without the database takes a new origin, and ships the old one's rest under its place`()
        async throws
    {
        let server = try PostgresServer()
        let a = try Station("a", server.url, schema: schema) { $0.localAfterMilliseconds = 300 }
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("before") == .replicated }
        try server.stop()
        let old = a.log.origin
        a.log.receive(["unshipped"])
        await a.shared.stop()
        let again = try a.restarted(server.url, schema: schema) { $0.localAfterMilliseconds = 300 }
        try await again.shared.start()
        #expect(again.log.origin != old)
        #expect(await again.receive("without the database") == .local)
        try server.start()
        try await eventually("everything is shipped") { again.shared.condition.unshipped == 0 }
        let b = try Station("b", server.url, schema: schema)
        try await b.shared.start()
        try await eventually("all have it") { b.log.bodies == again.log.bodies }
        #expect(b.log.places(of: old) == again.log.places(of: old))
        #expect(b.log.places(of: again.log.origin).count == 1)
        await again.shared.stop()
        await b.shared.stop()
    }

    @Test func `a directory from before, started without the database, is shipped whole when that answers`()
        async throws
    {
        let server = try PostgresServer()
        try server.stop()
        let a = try Station("a", server.url, schema: schema) { $0.localAfterMilliseconds = 300 }
        a.log.receive(["from before"])
        let numbers = Locked<[Identity: Int32]>([:])
        a.shared.observeNumbers { origin, number in numbers.withLock { $0[origin] = number } }
        try await a.shared.start()
        #expect(await a.receive("without the database") == .local)
        let known = numbers.withLock { $0 }
        #expect(Set(known.keys) == Set(a.log.frontier.keys), "cursors can name what is received already")
        try server.start()
        try await eventually("everything is shipped") { a.shared.condition.unshipped == 0 }
        let b = try Station("b", server.url, schema: schema)
        try await b.shared.start()
        try await eventually("all have it") { b.log.bodies == ["from before", "without the database"] }
        let now = numbers.withLock { $0 }
        #expect(known.allSatisfy { now[$0.key] == $0.value })
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `a database that crashes again and again loses nothing`() async throws {
        let server = try PostgresServer(settings: ["fsync = on"])
        let a = try Station("a", server.url, schema: schema) { $0.localAfterMilliseconds = 200 }
        let b = try Station("b", server.url, schema: schema) { $0.localAfterMilliseconds = 200 }
        try await a.shared.start()
        try await b.shared.start()
        for number in 0..<4 {
            for row in 0..<50 { a.log.receive(["\(number) \(row)"]) }
            try server.stop()
            for row in 0..<50 { b.log.receive(["\(number) \(row) away"]) }
            try server.start()
        }
        try await eventually("both have everything") { a.log.bodies == b.log.bodies && a.log.bodies.count == 400 }
        await a.shared.stop()
        await b.shared.stop()
    }

    @Test func `a commit whose standby was not waited for is not replicated`() async throws {
        let primary = try PostgresServer()
        let standby = try PostgresServer(standbyOf: primary)
        try primary.query("alter system set synchronous_standby_names = 'standby'")
        try primary.query("select pg_reload_conf()")
        try await eventually("it is synchronous") {
            try primary.query("select count(*) from pg_stat_replication where sync_state = 'sync'") == "1"
        }
        let a = try Station("a", primary.url, schema: schema) { $0.localAfterMilliseconds = 20_000 }
        try await a.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        try await eventually("it sees the standby") { a.shared.condition.synchronousStandbys == 1 }
        standby.freeze()
        let (origin, sequence) = a.log.receive(["two"])
        let answered = Locked<Durability?>(nil)
        a.shared.whenShipped(sequence, of: origin) { durability in answered.withLock { $0 = durability } }
        try await eventually("its commit waits") {
            try primary.query("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") != "0"
        }
        // Somebody cancels the wait: the commit is there, with a warning, and not on the standby.
        try await eventually("the warning is seen") {
            try primary.query(
                """
                select pg_cancel_backend(pid) from pg_stat_activity
                where wait_event = 'SyncRep' and application_name like '% ship'
                """)
            return a.shared.condition.warnings > 0
        }
        #expect(answered.withLock { $0 } == nil)
        standby.thaw()
        try await eventually("a later commit says that it is") { answered.withLock { $0 } == .replicated }
        await a.shared.stop()
    }

    @Test func `a standby that is promoted without everything gets it again`() async throws {
        let primary = try PostgresServer()
        let standby = try PostgresServer(standbyOf: primary)
        let hosts = "\(primary.directory),\(standby.directory)"
        let url = "host=\(hosts) user=chargefold dbname=postgres"
        let a = try Station("a", url, schema: schema) { $0.localAfterMilliseconds = 300 }
        let b = try Station("b", url, schema: schema) { $0.localAfterMilliseconds = 300 }
        try await a.shared.start()
        try await b.shared.start()
        try await eventually("a is near") { await a.receive("one") == .replicated }
        try await eventually("the standby has it") {
            ((try? standby.query("select count(*) from \(schema).deliveries")) ?? "0") != "0"
        }
        standby.freeze()
        for number in 0..<20 { a.log.receive(["\(number)"]) }
        try await eventually("b has it") { b.log.bodies == a.log.bodies }
        primary.freeze()
        standby.thaw()
        try standby.promote()
        try await eventually("the promoted one has everything") {
            try standby.query("select count(*) from \(schema).deliveries") == "\(a.log.bodies.count)"
        }
        try await eventually("a is near again") { await a.receive("after") == .replicated }
        try await eventually("b has it") { b.log.bodies == a.log.bodies }
        primary.thaw()
        await a.shared.stop()
        await b.shared.stop()
    }
}
