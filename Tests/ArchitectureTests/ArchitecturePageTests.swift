import Foundation
import Testing

/// `docs/architecture.md` is a map of this code and of no other.
@Suite struct ArchitecturePageTests {
    private let page: Page
    private let manifest: Manifest

    init() throws {
        page = try Page("docs/architecture.md")
        manifest = Manifest(try Repository.text("Package.swift"))
    }

    @Test func `rooms and arrows are those of the manifest`() throws {
        #expect(manifest.rooms.count > 20)
        let rows = try #require(page.tables("arrows").first)
        var described: [String: Set<String>] = [:]
        for row in rows {
            let name = try #require(row.first?.ticked.first)
            #expect(described[name] == nil, "\(name) is there twice")
            described[name] = Set(row.last?.ticked ?? [])
        }
        #expect(Set(described.keys) == Set(manifest.rooms.keys))
        for (name, dependencies) in manifest.rooms where described[name] != nil {
            #expect(described[name] == dependencies, "\(name)")
        }
    }

    @Test func `arrows run downwards only`() {
        var line: [String: Int] = [:]
        for (number, text) in page.block("rooms").enumerated() {
            for name in text.split(separator: " ") { line[String(name)] = number }
        }
        #expect(Set(line.keys) == Set(manifest.rooms.keys))
        for (room, dependencies) in manifest.rooms {
            for dependency in dependencies {
                // A product of another package is below everything.
                guard let from = line[room], let to = line[dependency] else { continue }
                #expect(from < to, "\(room) knows \(dependency)")
            }
        }
    }

    @Test func `the table of queues is the code's`() throws {
        var found: [String] = []
        for (path, source) in Repository.sources {
            let place = path.dropFirst("Sources/".count)
            var labels = source.matches(of: /(?:DispatchQueue|QueueExecutor|IdleThread)\(\s*label: "([^"]+)"/).map {
                String($0.1)
            }
            labels = labels.map { $0.replacing(/\\\([^)]*\)/, with: "N") }
            if source.contains("DispatchQueue.global(") { labels.append("global") }
            labels += source.matches(of: /^[a-z ]*\bactor (\w+)/.anchorsMatchLineEndings()).map { String($0.1) }
            found += labels.map { "\($0) in \(place)" }
            // One that has its label from elsewhere would be missed here.
            let queues = source.matches(of: /DispatchQueue\(\s*label: (?!")/).count
            #expect(queues == 0 || path == "Sources/Base/QueueExecutor.swift", "\(path)")
        }
        let rows = try #require(page.tables("queues").first)
        let described = rows.map { "\($0[0].ticked[0]) in \($0[1].ticked[0])" }
        #expect(found.count > 20)
        #expect(Set(described).count == described.count)
        // One name, one queue: a label in a trace or a debugger says which.
        #expect(Set(rows.map { $0[0].ticked[0] }).count == rows.count)
        for queue in Set(found).subtracting(described) { Issue.record("\(queue) is not on the page") }
        for queue in Set(described).subtracting(found) { Issue.record("\(queue) is on the page only") }
        for row in rows { #expect(row.count == 4 && row.allSatisfy { !$0.isEmpty }, "\(row[0])") }
    }

    @Test func `each hop of the walks is where the page says`() throws {
        let walks = page.tables("walk")
        #expect(walks.count == 4)
        for walk in walks {
            let hops = walk.filter { !$0[0].isEmpty }
            #expect(hops.map { $0[0] } == (1...hops.count).map { "\($0)" })
            for hop in hops {
                let (path, name) = (hop[1].ticked[0], hop[1].ticked[1])
                let source = try #require(Repository.sources["Sources/" + path], "\(path)")
                let parts = name.split(separator: ".").map(String.init)
                let declared = Declarations(source)
                #expect(declared.extends(parts[0]) && declared.members.contains(parts[1]), "\(name) in \(path)")
            }
        }
    }

    @Test func `whatever has a name on the page exists`() throws {
        let products = manifest.rooms.values.reduce(into: Set(manifest.rooms.keys)) { $0.formUnion($1) }
        let declared = Repository.sources.values.map { Declarations($0) }
        var count = 0
        for name in Set(page.names) where !products.contains(name) {
            if name.contains("/") || name.hasSuffix(".swift") || name.hasSuffix(".md") || name == "Sources" {
                guard !name.contains(" ") else { continue }
                #expect(Repository.exists(name) || Repository.exists("Sources/" + name), "\(name)")
                count += 1
            } else if let match = name.wholeMatch(of: /([A-Z]\w*[a-z]\w*)(?:\.(\w+))?/) {
                let (type, member) = (String(match.1), match.2.map(String.init))
                #expect(declared.contains { $0.types.contains(type) }, "\(name)")
                if let member {
                    #expect(declared.contains { $0.extends(type) && $0.members.contains(member) }, "\(name)")
                }
                count += 1
            }
        }
        #expect(count > 50)
    }
}

/// What a file declares, by name.
private struct Declarations {
    private(set) var types: Set<String> = []
    private(set) var extended: Set<String> = []
    private(set) var members: Set<String> = []

    init(_ source: String) {
        var before = ""
        for word in source.utf8.split(whereSeparator: { !Self.isWord($0) }) {
            let word = String(Substring(word))
            switch before {
            case "class", "struct", "enum", "actor", "protocol", "typealias": types.insert(word)
            case "extension": extended.insert(word)
            case "func", "var", "let": members.insert(word)
            default: if word == "init" { members.insert(word) }
            }
            before = word
        }
    }

    /// Whether members of a type may be declared here.
    func extends(_ type: String) -> Bool { types.contains(type) || extended.contains(type) }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
