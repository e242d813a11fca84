import Base
import SessionModel
import Testing

@testable import Sandbox

@Suite struct SchedulerTests {
    @Test func `what is due comes out by time, and at the same time in the order of its coming`() {
        var random = SeededRandom(seed: 7)
        var scheduler = Scheduler<Int>()
        var expected: [(due: Int64, number: Int)] = []
        for number in 0..<500 {
            let due = random.between(0, 40)
            scheduler.insert(number, due: due)
            expected.append((due, number))
        }
        expected.sort { ($0.due, $0.number) < ($1.due, $1.number) }
        #expect(scheduler.nextDue == expected.first?.due)
        var found: [Int] = []
        for time in 0...40 {
            while let (number, due) = scheduler.removeFirst(dueBy: Int64(time)) {
                #expect(due == Int64(time))
                found.append(number)
            }
        }
        #expect(found == expected.map(\.number))
        #expect(scheduler.count == 0)
        #expect(scheduler.nextDue == nil)
    }

    @Test func `what is not due stays`() {
        var scheduler = Scheduler<String>()
        scheduler.insert("later", due: 10)
        let early = scheduler.removeFirst(dueBy: 9)
        #expect(early == nil)
        #expect(scheduler.count == 1)
    }
}

@Suite struct SandboxClockTests {
    private static let second: UInt64 = 1_000_000_000
    private let wall = Instant(seconds: 1_750_000_000)

    @Test func `it runs faster, and what it shows is when things happen in the world`() {
        let clock = SandboxClock(speed: 60, stamps: .wall, monotonic: 5 * Self.second, wall: wall)
        #expect(clock.time(monotonic: 6 * Self.second) == 60_000_000)
        #expect(clock.stamp(at: 60_000_000) == wall.adding(seconds: 1))
        let due = clock.monotonic(at: 60_000_000) ?? 0
        #expect(clock.time(monotonic: due) >= 60_000_000)
        #expect(due - 6 * Self.second < 10_000)
    }

    @Test func `it can show its own time`() {
        let clock = SandboxClock(speed: 60, stamps: .sandbox, monotonic: 0, wall: wall)
        #expect(clock.stamp(at: 60_000_000) == wall.adding(seconds: 60))
    }

    @Test func `a jump moves it, and what it passes over happens now`() {
        var clock = SandboxClock(speed: 1, stamps: .wall, monotonic: 0, wall: wall)
        clock.change(
            speed: 10, advancingMicroseconds: 100_000_000, monotonic: 2 * Self.second, wall: wall.adding(seconds: 2))
        #expect(clock.time(monotonic: 2 * Self.second) == 102_000_000)
        #expect(clock.time(monotonic: 3 * Self.second) == 112_000_000)
        #expect(clock.stamp(at: 50_000_000) == wall.adding(seconds: 2))
        #expect(clock.stamp(at: 112_000_000) == wall.adding(seconds: 3))
    }

    @Test func `at speed 0 it stands still`() {
        var clock = SandboxClock(speed: 0, stamps: .wall, monotonic: 0, wall: wall)
        #expect(clock.time(monotonic: 100 * Self.second) == 0)
        #expect(clock.monotonic(at: 1) == nil)
        clock.change(advancingMicroseconds: 5, monotonic: 100 * Self.second, wall: wall)
        #expect(clock.time(monotonic: 200 * Self.second) == 5)
    }
}
