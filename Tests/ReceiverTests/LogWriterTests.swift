import Dispatch
import Glibc
import SessionIndex
import SessionStore
import Synchronization
import Testing

@testable import Receiver

@Suite struct LogWriterTests {
    private struct Pipe {
        let reading: Int32
        let writing: Int32

        init() throws {
            var ends: [Int32] = [0, 0]
            // Not inherited by the processes that other tests start.
            let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            try #require(socketpair(AF_UNIX, type, 0, &ends) == 0)
            (reading, writing) = (ends[0], ends[1])
        }

        /// Everything up to the end.
        func readAll() -> [UInt8] {
            var content: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(reading, &buffer, buffer.count)
                if count <= 0 { return content }
                content += buffer[..<count]
            }
        }
    }

    /// Reads everything up to the end, on a thread of its own.
    private final class Reader: Sendable {
        private let read = Mutex<[UInt8]>([])
        private let isDone = DispatchSemaphore(value: 0)

        init(_ pipe: Pipe) {
            DispatchQueue.global().async {
                let content = pipe.readAll()
                self.read.withLock { $0 = content }
                self.isDone.signal()
            }
        }

        /// All of it; waits for the end.
        var content: [UInt8] {
            isDone.wait()
            return read.withLock { $0 }
        }
    }

    @Test func `lines come whole and in order`() throws {
        let pipe = try Pipe()
        let writer = LogWriter(descriptor: pipe.writing)
        for number in 0..<1000 { writer.write(line: Array("line \(number)".utf8)) }
        writer.flush()
        close(pipe.writing)
        let expected = (0..<1000).map { "line \($0)\n" }.joined()
        #expect(String(decoding: pipe.readAll(), as: UTF8.self) == expected)
        close(pipe.reading)
    }

    @Test func `a log that nobody reads is dropped beyond the bound, and counted`() throws {
        let pipe = try Pipe()
        let writer = LogWriter(descriptor: pipe.writing)
        // The kernel takes a little; what the writer may hold besides is bounded twice: waiting, and being written.
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 9_999)
        let written = 4 * LogWriter.pendingBytesMax / 10_000
        for _ in 0..<written { writer.write(line: line) }
        // Nobody reads, and it returns all the same.
        writer.flush(withinSeconds: 0)
        let reader = Reader(pipe)
        writer.flush(withinSeconds: 600)
        close(pipe.writing)
        let content = reader.content
        close(pipe.reading)
        let lines = content.split(separator: UInt8(ascii: "\n"))
        let whole = lines.filter { $0.count == line.count && $0.allSatisfy { $0 == UInt8(ascii: "x") } }
        let notes = lines.filter { $0.first == UInt8(ascii: "(") }.map { String(decoding: $0, as: UTF8.self) }
        #expect(whole.count + notes.count == lines.count)
        #expect(content.count < 3 * LogWriter.pendingBytesMax)
        let dropped = notes.compactMap { $0.dropFirst().split(separator: " ").first.flatMap { Int($0) } }.reduce(0, +)
        #expect(dropped > 0)
        #expect(whole.count + dropped == written, "what was dropped is told: \(notes)")
    }

    @Test func `a descriptor that does not block is waited for`() throws {
        let pipe = try Pipe()
        _ = fcntl(pipe.writing, F_SETFL, fcntl(pipe.writing, F_GETFL) | O_NONBLOCK)
        let writer = LogWriter(descriptor: pipe.writing)
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 9_999)
        for _ in 0..<50 { writer.write(line: line) }
        let reader = Reader(pipe)
        writer.flush(withinSeconds: 600)
        close(pipe.writing)
        #expect(reader.content.count == 500_000)
        close(pipe.reading)
    }

    @Test func `a reader that has gone is no reason to stop`() throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = try Pipe()
        close(pipe.reading)
        let writer = LogWriter(descriptor: pipe.writing)
        for _ in 0..<10 { writer.write(line: Array("line".utf8)) }
        writer.flush()
        close(pipe.writing)
    }
}
