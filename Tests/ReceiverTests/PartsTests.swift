import Base
import SessionStore
import Testing

@testable import Receiver

/// The order in which an application starts and stops.
@Suite struct PartsTests {
    private final class Diary: Sendable {
        private let lines = Locked<[String]>([])
        func write(_ line: String) { lines.withLock { $0.append(line) } }
        var text: [String] { lines.withLock { $0 } }
    }

    private struct Refusal: Error {}

    private let diary = Diary()

    private func part(_ name: String, needsSessions: Bool = false, fails: Bool = false) -> Part {
        Part(
            name: name, needsSessions: needsSessions,
            start: { [diary] in
                if fails { throw Refusal() }
                diary.write("+" + name)
            }, stop: { [diary] in diary.write("-" + name) })
    }

    private func parts(_ lines: [[Part]], _ store: FakeStore = FakeStore()) -> Parts {
        let directory = TestDirectory()
        defer { withExtendedLifetime(directory) {} }
        return Parts(lines, store: store, logger: LogCapture(in: directory).logger())
    }

    @Test func `what is started first is stopped last`() async throws {
        let parts = parts([[part("a")], [part("b")], [part("c", needsSessions: true)]])
        try await parts.start()
        #expect(diary.text == ["+a", "+b", "+c"])
        await parts.stop()
        #expect(diary.text == ["+a", "+b", "+c", "-c", "-b", "-a"])
    }

    @Test func `what is on one line stops before the line above it`() async throws {
        let parts = parts([[part("a")], [part("b"), part("c"), part("d")]])
        try await parts.start()
        await parts.stop()
        #expect(Set(diary.text[4..<7]) == ["-b", "-c", "-d"])
        #expect(diary.text.last == "-a")
    }

    @Test func `a part that can't start undoes those before it`() async throws {
        let parts = parts([[part("a")], [part("b")], [part("c", fails: true)], [part("d")]])
        await #expect(throws: Refusal.self) { try await parts.start() }
        #expect(diary.text == ["+a", "+b", "-b", "-a"])
    }

    @Test func `an application stops its clients before its disk`() async throws {
        let directory = TestDirectory()
        let log = LogCapture(in: directory)
        defer { withExtendedLifetime((directory, log)) {} }
        let application = try Application(try testConfiguration(directory), logger: log.logger())
        let order = application.parts.names
        #expect(order.first == ["store"])
        #expect(order.last == ["live updates"])
        #expect(order.contains { $0.contains("HTTP server") && $0.contains("reconciler") })
        await application.stop()
    }
}
