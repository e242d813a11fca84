/// Writes `config/chargefold.yaml` out of the table of keys: every key, commented out, with its default.
package enum ConfigurationDocument {
    /// The text of the file. A test holds the checked-in file to it.
    package static var yaml: String {
        var text = """
            # Configuration of Chargefold. Every key is here, commented out, with its default: `#key: value` is a key, `# text`
            # is text. Environment variables go before this file; the variable of each key stands with it. Secrets can be
            # read from files: `secretCurrentFile: /run/secrets/...`, or the variable with _FILE at its end.
            # Numbers of bytes may be written with KiB, MiB or GiB. `chargefold serve --check-config` shows what is in force,
            # and where it came from.

            """
        let defaults = ReceiverConfiguration()
        var open: [String] = []
        for key in ConfigurationKey.all {
            let sections = Array(key.components.dropLast())
            let shared = zip(open, sections).prefix { $0 == $1 }.count
            for (depth, section) in sections.enumerated().dropFirst(shared) {
                text += "\n\(indentation(depth))\(section):\n"
            }
            open = sections
            if sections.count == shared { text += "\n" }
            text += entry(key, defaults, indentation(sections.count))
        }
        return text
    }

    private static func entry(_ key: ConfigurationKey, _ defaults: ReceiverConfiguration, _ indentation: String)
        -> String
    {
        let value = key.render(defaults)
        var notes = key.documentation
        switch key.kind {
        case .secret, .namedSecrets: break
        case .boolean: break
        case .text where value != nil, .pathTemplate: break
        case .text: notes += " Not set by default."
        case .integer(let range, _):
            notes += " Allowed: \(range.lowerBound) to \(range.upperBound)\(key.unit.map { " " + $0 } ?? "")."
        case .choice, .mode: notes += " Allowed: \(key.allowed)."
        }
        if key.reload != nil { notes += " Read again while the server runs." }
        let variable = ConfigurationLoader.variableName(of: key.name)
        notes += " [\(variable)\(key.kind.isSecret ? ", \(variable)_FILE" : "")]"
        let lines = wrapped(notes, width: 116 - indentation.count).map { "\(indentation)# \($0)\n" }
        let name = key.components.last ?? key.name
        return lines.joined() + "\(indentation)#\(name): \(value ?? key.example)\n"
    }

    private static func indentation(_ depth: Int) -> String {
        String(repeating: "  ", count: depth)
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
