import Foundation
import Testing

/// No comment points at a page or a section that is not there, and no link of a page leads nowhere.
@Suite struct CitationTests {
    /// Comments, with the line breaks within them gone.
    private static func comments(_ text: String) -> String {
        text.replacing(/\n[ \t]*(?:\/\/\/?|#)[ ]?/, with: " ")
    }

    @Test func `what comments cite of the documentation is there`() throws {
        let paths =
            ["Sources", "Tests", "Fuzzing", "Benchmarks"].flatMap { Repository.files($0, endingIn: ".swift") }
            + Repository.files("scripts", endingIn: "") + ["Package.swift"]
        var citations = 0
        for path in paths {
            guard !path.hasPrefix("Tests/ArchitectureTests/"), let text = try? Repository.text(path) else { continue }
            for match in Self.comments(text).matches(of: /\b(?:docs\/)?(\w+\.md)(?:, "([^"]+)")?/) {
                let name = String(match.1)
                citations += 1
                guard let page = ["docs/" + name, name].first(where: Repository.exists) else {
                    Issue.record("\(path) cites \(name)")
                    continue
                }
                guard let section = match.2 else { continue }
                let headings = try Page(page).headings
                #expect(headings.contains { $0.hasPrefix(section) }, "\(path) cites \"\(section)\" of \(name)")
            }
        }
        #expect(citations > 20)
    }

    @Test func `links between pages lead somewhere`() throws {
        let pages = Repository.files("docs", endingIn: ".md") + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        for path in pages {
            let folder = path.contains("/") ? "docs/" : ""
            for match in try Repository.text(path).matches(of: /\]\(([^)#:]+)\)/) {
                let target = URL(filePath: "/" + folder + match.1).standardized.path(percentEncoded: false)
                #expect(Repository.exists(String(target.dropFirst())), "\(path) links to \(match.1)")
            }
        }
    }

    /// Names of files, queues and options that were there once.
    @Test func `nobody speaks of what is gone`() throws {
        let gone = ["log.sqlite", "log.journal", "operations.sqlite", "UnmovedDeliveries"]
        // What the page of the data directory says of the first version, and the history, are true.
        let allowed: Set = ["docs/storage.md", "CHANGELOG.md"]
        var paths = Repository.files("docs", endingIn: ".md") + Repository.files("Sources", endingIn: ".swift")
        paths += Repository.files("scripts", endingIn: "") + Repository.files("config", endingIn: "") + ["README.md"]
        for path in paths where !allowed.contains(path) {
            guard let text = try? Repository.text(path) else { continue }
            for name in gone { #expect(!text.contains(name), "\(path): \(name)") }
        }
    }

    /// What CONTRIBUTING.md asks for.
    @Test func `every test has a sentence for its name`() throws {
        var tests = 0
        for path in Repository.files("Tests", endingIn: ".swift") {
            let text = try Repository.text(path)
            for match in text.matches(of: /@Test\b[^`{}]*?\bfunc ([^\s(]+)/) {
                tests += 1
                #expect(match.1.hasPrefix("`"), "\(path): \(match.1)")
            }
        }
        #expect(tests > 500)
    }
}
