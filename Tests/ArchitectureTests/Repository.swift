import Foundation

/// The files of the repository that these tests belong to.
enum Repository {
    /// Where `Package.swift` is. Also where the tests are reached through a symbolic link.
    static let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path(percentEncoded: false)

    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: root + "/" + path, encoding: .utf8)
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root + "/" + path)
    }

    /// Paths of the files below a folder, from the root, in order; not of what is built there.
    static func files(_ folder: String, endingIn suffix: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: root + "/" + folder)?.compactMap { $0 as? String } ?? []
        let own = names.filter { name in !name.split(separator: "/").contains { $0.hasPrefix(".") } }
        return own.filter { $0.hasSuffix(suffix) }.map { folder + "/" + $0 }.sorted()
    }

    /// The sources of the product, by path.
    static let sources: [String: String] = {
        var sources: [String: String] = [:]
        for path in files("Sources", endingIn: ".swift") { sources[path] = try? text(path) }
        return sources
    }()
}

/// The targets below `Sources` as the manifest names them, and what each depends on: targets and products.
struct Manifest {
    private(set) var rooms: [String: Set<String>] = [:]

    init(_ text: String) {
        for kind in ["target", "executableTarget", "systemLibrary"] {
            for start in text.ranges(of: "." + kind + "(") {
                let declaration = Self.balanced(text[start.upperBound...], "(", ")")
                // Tests, tools for them and the fuzzer say where they are.
                guard let name = declaration.firstMatch(of: /name: "(\w+)"/), !declaration.contains("path: ") else {
                    continue
                }
                rooms[String(name.1)] = Self.dependencies(declaration)
            }
        }
    }

    private static func dependencies(_ declaration: Substring) -> Set<String> {
        guard let start = declaration.firstRange(of: "dependencies: [") else { return [] }
        var list = String(balanced(declaration[start.upperBound...], "[", "]"))
        list = list.replacing(/\.product\(name: "(\w+)", package: "[^"]*"\)/) { "\"\($0.1)\"" }
        return Set(list.matches(of: /"(\w+)"/).map { String($0.1) })
    }

    /// What stands before the bracket that closes one that is open.
    private static func balanced(_ text: Substring, _ opening: Character, _ closing: Character) -> Substring {
        var depth = 1
        for index in text.indices {
            if text[index] == opening { depth += 1 }
            if text[index] == closing { depth -= 1 }
            if depth == 0 { return text[..<index] }
        }
        return text
    }
}

/// A page of the documentation.
struct Page {
    let text: String

    init(_ path: String) throws {
        text = try Repository.text(path)
    }

    /// The rows of the tables that follow a mark (`<!-- queues -->`), as cells; without head and rule.
    func tables(_ mark: String) -> [[[String]]] {
        text.ranges(of: "<!-- \(mark) -->\n").map { range in
            let lines = text[range.upperBound...].split(separator: "\n", omittingEmptySubsequences: false)
            return lines.prefix { $0.hasPrefix("|") }.dropFirst(2).map { line in
                line.dropFirst().dropLast().split(separator: "|", omittingEmptySubsequences: false)
                    .map { $0.trimmingCharacters(in: .whitespaces) }
            }
        }
    }

    /// The lines of the block that follows a mark.
    func block(_ mark: String) -> [Substring] {
        guard let range = text.firstRange(of: "<!-- \(mark) -->\n```\n") else { return [] }
        let rest = text[range.upperBound...]
        return rest[..<(rest.firstRange(of: "```")?.lowerBound ?? rest.endIndex)].split(separator: "\n")
    }

    /// What stands between back ticks, in text and tables; blocks of code are left out.
    var names: [String] {
        let prose = text.replacing(/```[\s\S]*?```/, with: "")
        return prose.matches(of: /`([^`\n]+)`/).map { String($0.1) }
    }

    /// Headings, without their marks.
    var headings: [String] {
        text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { String($0.drop { $0 == "#" || $0 == " " }) }
    }
}

extension String {
    /// What stands between back ticks in a cell of a table.
    var ticked: [String] { matches(of: /`([^`]+)`/).map { String($0.1) } }
}
