package import Base
internal import SessionModel

/// The sandbox's clock: runs faster than the wall clock, or stands still and is moved by hand.
///
/// Sessions live on it: all times of the scheduler are microseconds of this clock since it was started. What is *written*
/// into callbacks and answers is by default the wall clock's time at which things happen, so that it agrees with the
/// clock of whoever receives it, whatever the speed.
package struct SandboxClock: Sendable {
    /// What timestamps are taken from.
    package enum Stamps: String, Sendable, CaseIterable {
        /// The wall clock: at speed 60, a charge of half an hour shows as half a minute.
        case wall
        /// This clock: a charge of half an hour shows as that; at speed 60 it soon runs ahead of the world.
        case sandbox
    }

    /// Seconds of this clock in one of the wall clock; 0: it stands still.
    package private(set) var speed: Double
    private let stamps: Stamps
    private let origin: Int64
    private var baseMonotonic: UInt64
    private var baseTime: Int64 = 0
    private var baseWall: Int64

    /// - Parameters:
    ///   - monotonic: nanoseconds of the monotonic clock, now.
    ///   - wall: the wall clock's time, now.
    package init(speed: Double, stamps: Stamps, monotonic: UInt64, wall: Instant) {
        self.speed = speed
        self.stamps = stamps
        baseMonotonic = monotonic
        baseWall = wall.microsecondsSince1970
        origin = baseWall
    }

    /// The time of this clock at that time of the monotonic clock.
    package func time(monotonic: UInt64) -> Int64 {
        let passed = monotonic > baseMonotonic ? Double(monotonic - baseMonotonic) / 1000 : 0
        return baseTime + Int64(passed * speed)
    }

    /// When, on the monotonic clock, this clock shows a time; nil where it stands still.
    package func monotonic(at time: Int64) -> UInt64? {
        guard time > baseTime else { return baseMonotonic }
        guard speed > 0 else { return nil }
        // Rounded up, so that what is due then is due by then.
        return baseMonotonic + UInt64((Double(time - baseTime) / speed * 1000).rounded(.up)) + 1000
    }

    /// The timestamp of what happens at a time of this clock.
    package func stamp(at time: Int64) -> Instant {
        switch stamps {
        case .sandbox: Instant(microsecondsSince1970: origin + time)
        case .wall:
            // What a jump has passed over happened at the jump.
            Instant(
                microsecondsSince1970: baseWall
                    + (speed > 0 && time > baseTime ? Int64(Double(time - baseTime) / speed) : 0))
        }
    }

    /// Another speed from now on, or a jump ahead.
    package mutating func change(
        speed: Double? = nil, advancingMicroseconds jump: Int64 = 0, monotonic: UInt64, wall: Instant
    ) {
        baseTime = time(monotonic: monotonic) + max(jump, 0)
        baseMonotonic = monotonic
        baseWall = wall.microsecondsSince1970
        if let speed { self.speed = speed }
    }
}
