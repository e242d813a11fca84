package import Base
package import SessionModel

/// How the log that receivers share numbers the origins, as far as is known here. Numbers never change, unless the shared log
/// says so of an origin of whose number it has not heard before.
package final class OriginNumbers: Sendable {
    private struct State {
        var numbers: [Identity: Int] = [:]
        var origins: [Int: Identity] = [:]
    }

    private let state = Locked(State())

    /// Whether the shared log can be asked, so that an origin which is not known here will not be known soon.
    private let isReachable: @Sendable () -> Bool

    package init(isReachable: @escaping @Sendable () -> Bool = { true }) { self.isReachable = isReachable }

    /// Whether a frontier can be from elsewhere only: it names an origin that nobody has heard of, and the shared log is there.
    package func isForeign(_ frontier: Frontier) -> Bool { sequences(frontier) == nil && isReachable() }

    package func note(_ origin: Identity, number: Int) {
        state.withLock { state in
            if let old = state.numbers[origin], state.origins[old] == origin { state.origins[old] = nil }
            state.numbers[origin] = number
            state.origins[number] = origin
        }
    }

    package func number(of origin: Identity) -> Int? { state.withLock { $0.numbers[origin] } }
    package func origin(numbered number: Int) -> Identity? { state.withLock { $0.origins[number] } }

    /// Of origins that have a number.
    package func frontier(_ sequences: [Identity: Int64]) -> Frontier {
        state.withLock { state in
            var frontier = Frontier()
            for (origin, sequence) in sequences {
                if let number = state.numbers[origin] { frontier.advance(number, to: sequence) }
            }
            return frontier
        }
    }

    /// nil where it names an origin that nobody has heard of.
    package func sequences(_ frontier: Frontier) -> [Identity: Int64]? {
        state.withLock { state in
            var sequences: [Identity: Int64] = [:]
            for (number, sequence) in frontier.sequences {
                guard let origin = state.origins[number] else { return nil }
                sequences[origin] = sequence
            }
            return sequences
        }
    }
}
