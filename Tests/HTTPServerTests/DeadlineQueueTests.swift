import Testing

@testable import HTTPServer

@Suite struct DeadlineQueueTests {
    private func queue() -> DeadlineQueue {
        var queue = DeadlineQueue { $0 == .idle ? 100 : 10 }
        queue.makeRoom(slots: 4)
        return queue
    }

    @Test func `gives out what has passed, in order, once`() {
        var queue = queue()
        queue.set(0, .idle, now: 0)
        queue.set(1, .header, now: 5)
        queue.set(2, .idle, now: 7)
        #expect(queue.next == 15)
        #expect(queue.popExpired(now: 14) == nil)
        #expect(queue.popExpired(now: 15)?.slot == 1)
        #expect(queue.popExpired(now: 99) == nil)
        #expect(queue.first(.idle) == 0)
        #expect(queue.popExpired(now: 107)?.slot == 0)
        #expect(queue.popExpired(now: 107)?.slot == 2)
        #expect(queue.next == nil)
    }

    @Test func `agrees with a plain list under random changes`() {
        var generator = SeededGenerator(seed: 1)
        var queue = DeadlineQueue { UInt64($0.rawValue) * 10 }
        queue.makeRoom(slots: 20)
        var expected: [Int: (kind: DeadlineKind, deadline: UInt64)] = [:]
        for now in 0..<UInt64(5_000) {
            let slot = Int.random(in: 0..<20, using: &generator)
            let kind = DeadlineKind.allCases.randomElement(using: &generator) ?? .none
            queue.set(slot, kind, now: now)
            expected[slot] = kind == .none ? nil : (kind, now + UInt64(kind.rawValue) * 10)
            while let popped = queue.popExpired(now: now) {
                #expect(expected[popped.slot]?.kind == popped.kind)
                #expect((expected[popped.slot]?.deadline ?? .max) <= now)
                expected[popped.slot] = nil
            }
            #expect(queue.next == expected.values.map(\.deadline).min())
        }
    }
}

@Suite struct HTTPDateTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
    ])
    func `formats the date of RFC 9110`(seconds: Int, expected: String) {
        #expect(String(decoding: HTTPDate.format(seconds), as: UTF8.self) == expected)
    }
}

@Suite struct BufferTests {
    @Test(arguments: [
        (0, "0", "0"), (9, "9", "9"), (10, "10", "a"), (255, "255", "ff"), (1 << 40, "1099511627776", "10000000000"),
        (Int.max, "9223372036854775807", "7fffffffffffffff"),
    ])
    func `appends numbers`(number: Int, decimal: String, hexadecimal: String) {
        var output = OutputBuffer(capacity: 1)
        output.append(number: number)
        output.append(" ")
        output.append(number: number, radix: 16)
        #expect(
            String(decoding: UnsafeRawBufferPointer(start: output.base, count: output.count), as: UTF8.self)
                == "\(decimal) \(hexadecimal)")
    }

    @Test func `pending output comes out as it went in`() {
        var pending = PendingOutput()
        pending.append([1, 2, 3])
        pending.append([])
        pending.append([4, 5])
        var seen: [UInt8] = []
        while let byte = pending.withFirst({ $0[0] }) {
            seen.append(byte)
            pending.didSend(1)
        }
        #expect(seen == [1, 2, 3, 4, 5])
        #expect(pending.isEmpty)
    }

    @Test func `response fields cannot break out of their line`() {
        var response = Response(status: 200)
        response.add("X-Y", "a\r\nSet: b\0\t")
        #expect(String(decoding: response.fieldLines, as: UTF8.self) == "X-Y: a  Set: b \t\r\n")
    }
}
