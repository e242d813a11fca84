import Base
import SessionModel

@testable import Sandbox

/// A world whose time the test moves.
struct Stage {
    var world: World
    /// Microseconds.
    private(set) var now: Int64 = 0
    private(set) var callbacks: [Callback] = []

    static let castle = "RfZBL8BkRQrTa//7TOadw3oiP51NudvmvpRC5WI3TsawwqypdT1Qwa3ck8cchZpEH2JGytmok239REYlPWleVQ=="
    static let hanging = "RfZBL8BkRQrTa//7TOadw3oiP51NudvmvpRC5WI3TsYcqfRqeQ1Z/hmFFk/Lu+ZjAmz+8p9htX8Wmh0rzSdKGQ=="

    init(_ change: (inout WorldOptions) -> Void = { _ in }) {
        var options = WorldOptions()
        options.hasFraction = true
        change(&options)
        world = World(
            options,
            clock: SandboxClock(speed: 1, stamps: .wall, monotonic: 0, wall: Instant(seconds: 1_750_000_000)))
    }

    mutating func pass(_ seconds: Double) {
        now += Int64(seconds * 1e6)
        callbacks += world.advance(to: now)
    }

    mutating func start(_ user: String = "user1", _ connector: String = castle) throws -> String {
        guard case .session(let id) = try world.start(user: user, connector: connector, at: now) else { return "" }
        return id
    }

    mutating func stop(_ id: String, _ user: String = "user1") throws {
        try world.stop(user: user, sessionId: id, at: now)
    }

    func session(_ id: String) throws -> SandboxSession { world.sessions[try world.number(of: id)] }

    func status(_ id: String) throws -> SessionStatus { try session(id).status }

    /// Names of the callbacks that have left, in order.
    func events(_ id: String) throws -> [String] {
        let number = try world.number(of: id)
        return callbacks.filter { $0.session == number && $0.kind == .event }.compactMap {
            try? SessionEvent.decode($0.body).name.text
        }
    }

    func connector(of evse: String) -> String {
        world.catalog.places.values.first { $0.evseId == evse }?.connector.id ?? ""
    }

    /// The Session, as the API shows it.
    func answer(_ id: String) throws -> CanonicalJSON {
        var writer = JSONWriter()
        try session(id).write(to: &writer, at: now)
        return try CanonicalJSON(parsing: writer.bytes)
    }
}
