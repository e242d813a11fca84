import Foundation
import Testing

/// What `docs/storage.md` quotes, the program says to the letter.
@Suite struct StoragePageTests {
    @Test func `messages on the page are the program's`() throws {
        let page = try Page("docs/storage.md")
        var quotes = page.names.filter { $0.split(separator: " ").count > 3 && !$0.hasPrefix("sqlite3") }
        let said = /^\S.*DIR\/log .*(written|or more)$/
        quotes += page.text.split(separator: "\n").map(String.init).filter { $0.firstMatch(of: said) != nil }
        #expect(quotes.count > 15)
        // Texts that go over several lines in the source are one.
        let sources = Repository.sources.values.map { $0.replacing(/\\\n\s*/, with: "") }
        for quote in quotes {
            // What changes from case to case is left out.
            let constant = quote.split(separator: /DIR\/log|\bDIR\b|\bPATH\b|\bN\b|\bM\b|…/).filter { $0.count > 3 }
            let isSaid = sources.contains { source in constant.allSatisfy { source.contains($0) } }
            #expect(isSaid, "\(quote)")
        }
    }
}
