internal import Base

/// Sees to it that nothing of a contested origin is lost: see ``ContestedOrigin``. What is not remembered as contested is
/// compared all the same. A crash in between repeats a few
/// deliveries, which the fold knows.
final class ContestedGiver: Sendable {
    private static let countMax = 256
    private static let bytesMax = 1 << 20

    private let shared: SharedLogContext
    private let log: any ReplicatedLog

    init(_ shared: SharedLogContext, log: any ReplicatedLog) {
        self.shared = shared
        self.log = log
    }

    /// Does what can be done now.
    /// - Parameter head: what the shared log has of the origin now.
    func goOn(
        _ origin: ContestedOrigin, head: OriginHead?, _ connection: PostgresConnection,
        _ statements: ShippingStatements, isolation: isolated (any Actor)? = #isolation
    ) async throws(PostgresError) {
        var origin = origin
        // What the shared log did not have: nobody can say what it will have there.
        while origin.moved < origin.last {
            let ours = try ours(of: origin, after: origin.moved)
            guard let last = ours.last else { break }
            try await logAnew(ours)
            origin.moved = last.sequence
            try save(origin)
        }
        guard let head else { return }
        while origin.compared < min(head.shipped, origin.last) {
            let theirs = try connection.execute(
                statements.read,
                [.int4(head.number), .integer(origin.compared), .integer(Int64(Self.countMax))]
            ).deliveries().prefix { $0.sequence <= origin.last }
            guard let end = theirs.last?.sequence else { return }
            var ours: [Int64: SharedDelivery] = [:]
            var next = origin.compared
            while next < end {
                let read = try self.ours(of: origin, after: next)
                guard let last = read.last else { break }
                for delivery in read { ours[delivery.sequence] = delivery }
                next = last.sequence
            }
            var anew: [SharedDelivery] = []
            for their in theirs {
                guard let our = ours[their.sequence], !our.isSame(their) else { continue }
                shared.status.alarm("a place has two contents; both are kept", origin.identity)
                if their.sequence <= origin.shared { anew.append(our) }
                anew.append(their)
            }
            try await logAnew(anew)
            origin.compared = end
            try save(origin)
        }
        if origin.isDone { try save(origin) }
    }

    private func ours(of origin: ContestedOrigin, after sequence: Int64) throws(PostgresError) -> [SharedDelivery] {
        try shared.local { () throws(StoreError) in
            try log.deliveries(
                of: origin.identity, after: sequence, countMax: Self.countMax, bytesMax: Self.bytesMax)
        }.filter { $0.sequence <= origin.last }
    }

    private func logAnew(_ deliveries: [SharedDelivery]) async throws(PostgresError) {
        let living = deliveries.filter { $0.source < SharedDelivery.lost }
        guard !living.isEmpty else { return }
        do throws(StoreError) {
            try await log.appendAnew(living)
        } catch {
            throw PostgresError(.directory, error.message)
        }
    }

    private func save(_ origin: ContestedOrigin) throws(PostgresError) {
        try shared.remember { state in
            guard let index = state.contested.firstIndex(where: { $0.identity == origin.identity }) else { return }
            if origin.isDone { state.contested.remove(at: index) } else { state.contested[index] = origin }
        }
    }
}
