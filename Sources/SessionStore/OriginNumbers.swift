package import Base
package import SessionModel

/// How the log that receivers share numbers the origins, as far as is known here. Numbers never change.
package final class OriginNumbers: Sendable {
    private struct State {
        var numbers: [Identity: Int] = [:]
        var origins: [Int: Identity] = [:]
    }

    private let state = Locked(State())

    package init() {}

    package func note(_ origin: Identity, number: Int) {
        state.withLock { state in
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
