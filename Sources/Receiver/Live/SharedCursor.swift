import SessionModel
import SessionStore

/// How far somebody has read what several receivers share: a frontier, and how origins are numbered in it.
struct SharedCursor: Sendable, Equatable {
    private(set) var frontier = Frontier()
    let origins: OriginNumbers

    /// A delivery of an origin that has no number yet is not noted: it is told again rather than never.
    mutating func advance(_ place: Place) {
        if let number = origins.number(of: place.origin) { frontier.advance(number, to: place.sequence) }
    }

    func covers(_ place: Place) -> Bool {
        origins.number(of: place.origin).map { frontier.covers($0, place.sequence) } ?? false
    }

    static func == (left: SharedCursor, right: SharedCursor) -> Bool { left.frontier == right.frontier }
}

extension SessionStore {
    /// Everything that is in the records now; nil where nothing is shared.
    var sharedCursor: SharedCursor? {
        guard let origins = originNumbers else { return nil }
        return SharedCursor(frontier: origins.frontier(foldedPlaces), origins: origins)
    }
}
