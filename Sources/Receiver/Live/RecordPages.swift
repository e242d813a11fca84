internal import Base
import SessionIndex
import SessionModel

/// A selection that is read page by page, with as many sessions in a page as are not too much together: a session may
/// have thousands of facts, and most have a handful.
struct RecordPages: Sendable {
    private static let limitMin = 16
    private static let limitMax = 1_000

    private(set) var selection: SessionSelection
    private let factsPerPage: Int

    init(_ scope: SessionSelection.Scope, factsPerPage: Int) {
        selection = SessionSelection(scope, limit: Self.limitMin)
        self.factsPerPage = factsPerPage
    }

    /// Sessions that time may have changed since an instant, or will.
    static func waiting(since instant: Instant, _ settings: GuidanceSettings, factsPerPage: Int) -> RecordPages {
        let from = instant.adding(seconds: -settings.startTimeoutSeconds - 1)
        return RecordPages(.waiting(from: from), factsPerPage: factsPerPage)
    }

    /// What to ask for next; nil behind the last page.
    func following(_ page: SessionPage) -> RecordPages? {
        guard let next = page.next else { return nil }
        var pages = self
        pages.selection.after = next
        let facts = page.records.reduce(0) { $0 + $1.facts.count }
        let fitting = factsPerPage * page.records.count / max(facts, 1)
        // Step by step: the next sessions may be of another size.
        pages.selection.limit = min(max(fitting, Self.limitMin), selection.limit * 4, Self.limitMax)
        return pages
    }
}
