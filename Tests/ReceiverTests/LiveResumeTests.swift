import DriveAPI
import HTTPClient
import HTTPServer
import Ledger
import Receiver
import SessionIndex
import SessionModel
import SessionStore
import Testing

/// Readers that lose their connection at random and resume see each change of their session exactly once and in order.
/// The same with 1,000 readers: scripts/live-test.
@Suite struct LiveResumeTests {
    @Test(arguments: 0..<4) func `readers that come and go miss nothing and see nothing twice`(seed: Int) throws {
        let clock = TestClock()
        try withApplication(clock: { clock.now }, live: .manual) { server throws in
            var random = SeededRandom(seed: UInt64(seed))
            let sessions = (0..<6).map { "s\($0)" }
            for id in sessions { try server.report("SESSION_STARTED", id, at: 0, extra: #","userId":"u\#(id)""#) }
            var readers = try sessions.indices.map { try Reader(server, session: sessions[$0], number: $0) }
            var sent = Dictionary(uniqueKeysWithValues: sessions.map { ($0, 1) })
            for step in 1...120 {
                let id = sessions[random.below(sessions.count)]
                // Now and then a repeat, which is no change.
                try server.report("SESSION_X", id, at: Int64(step))
                if random.below(4) == 0 { try server.report("SESSION_X", id, at: Int64(step)) }
                sent[id, default: 0] += 1
                if random.below(10) == 0 {
                    clock.advance(seconds: 1)
                    server.features.hub.tick()
                }
                let index = random.below(readers.count)
                switch random.below(4) {
                case 0: readers[index].leave()
                case 1: try readers[index].returnIfGone(server)
                case 2: try readers[index].read(random.below(3), of: sent)
                default: break
                }
            }
            for index in readers.indices {
                try readers[index].returnIfGone(server)
                try readers[index].read(.max, of: sent)
                let version = try #require(sent[readers[index].session])
                #expect(readers[index].versions == Array(2..<(version + 1)), "\(readers[index].target)")
            }
        }
    }

    /// One reader, of a session or of its user.
    private struct Reader {
        let session: String
        let target: String
        var stream: EventStream?
        var lastEventId: String?
        var versions: [Int] = []

        init(_ server: RunningServer, session: String, number: Int) throws {
            self.session = session
            target = number % 2 == 0 ? "/v1/sessions/\(session)/events" : "/v1/users/u\(session)/events"
            stream = try EventStream(server, target).opened()
        }

        mutating func leave() {
            lastEventId = stream?.lastEventId ?? lastEventId
            stream = nil
        }

        mutating func returnIfGone(_ server: RunningServer) throws {
            guard stream == nil else { return }
            stream = try EventStream(server, target, after: lastEventId)
        }

        /// Reads at most `count` of the changes that there must be.
        mutating func read(_ count: Int, of sent: [String: Int]) throws {
            guard let stream, let last = sent[session] else { return }
            for _ in 0..<min(count, last - 1 - versions.count) {
                versions.append(try #require(try stream.next()?.version))
            }
            lastEventId = stream.lastEventId
        }
    }

    /// More than may wait for a reader at once: it comes piece by piece.
    @Test(arguments: ["/v1/sessions/S1/events", "/v1/users/u1/events", "/v1/events"])
    func `what is missed may be of any size`(target: String) throws {
        let clock = TestClock()
        // An event is some 600 bytes.
        try withApplication(clock: { clock.now }, live: .manual, { $0.http.limits.streamBufferBytesMax = 16_384 }) {
            server throws in
            try server.report("SESSION_STARTED", "S1", at: 0, extra: #","userId":"u1""#)
            let first = try EventStream(server, target).opened()
            let count: Int64 = 120
            for index in 1...count { try server.report("SESSION_X", "S1", at: index) }
            let again = try EventStream(server, target, after: first.lastEventId)
            var versions: [Int] = []
            while versions.count < Int(count) { versions.append(try #require(try again.next()?.version)) }
            #expect(versions == Array(2...(Int(count) + 1)))
        }
    }

    /// A reader that takes nothing is cut off at a bound, resumes, and has missed nothing.
    @Test func `a slow reader is cut off at a bound and can resume`() throws {
        var live = LiveOptions.manual
        live.bufferBytesMax = 2_000
        try withApplication(live: live) { server throws in
            try server.report("SESSION_STARTED", "S1", at: 0, extra: #","userId":"u1""#)
            let stream = try EventStream(server, "/v1/sessions/S1/events").opened()
            var versions: [Int] = []
            var last = try #require(stream.lastEventId)
            // Larger than what the sockets' buffers hold, with nobody reading.
            let padding = String(repeating: "x", count: 60_000)
            var count: Int64 = 0
            while server.features.hub.listenerCount > 0, count < 200 {
                count += 1
                try server.report(
                    "SESSION_FEE_INCURRING", "S1", at: count, extra: #","feeType":"\#(count)\#(padding)""#)
                server.features.hub.settle()
            }
            #expect(server.features.hub.listenerCount == 0)
            while let event = try? stream.next() { versions.append(event.version ?? 0) }
            last = stream.lastEventId ?? last
            let again = try EventStream(server, "/v1/sessions/S1/events", after: last)
            while versions.count < Int(count) { versions.append(try #require(try again.next()?.version)) }
            #expect(versions == Array(2...(Int(count) + 1)))
        }
    }
}
