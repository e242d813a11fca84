/// Where a fact about a session comes from. The raw value is stored: never change or reuse one.
package enum FactSource: UInt8, Sendable, Hashable, CaseIterable {
    /// A Session Event callback of the Drive API.
    case webhook = 0
    /// An answer of the Drive API about the session.
    case driveApi = 1
    /// A request of our own integrator: start, stop, abandon.
    case client = 2
    /// A charge detail record callback.
    case cdr = 3

    package var name: StaticString {
        switch self {
        case .webhook: "webhook"
        case .driveApi: "driveApi"
        case .client: "client"
        case .cdr: "cdr"
        }
    }
}
