import Foundation
import Receiver
import Testing

@Suite struct ConfigurationDocumentTests {
    private static let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "config/chargefold.yaml").path(percentEncoded: false)

    @Test func `config-chargefold-yaml is what the table of keys says`() throws {
        let text = try String(contentsOfFile: Self.path, encoding: .utf8)
        let expected = ConfigurationDocument.yaml
        // A failure shows the first line that differs, and not the file.
        let lines = zip(text.split(separator: "\n"), expected.split(separator: "\n"))
        if let (line, wanted) = lines.first(where: { $0 != $1 }) {
            #expect(line == wanted, "made anew by: chargefold serve --print-config")
        }
        #expect((text == expected) as Bool)
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 120 })
    }

    @Test func `it documents every key, and loads as it is`() throws {
        let loaded = try ReceiverConfiguration.load(
            path: Self.path, environment: ["CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "true"], use: .server)
        let untouched = try defaults
        #expect(loaded.report == untouched.report)
        for key in ConfigurationKey.all {
            let leaf = key.name.split(separator: ".").last ?? ""
            let text = try String(contentsOfFile: Self.path, encoding: .utf8)
            #expect(text.contains("#\(leaf): "), "\(key.name)")
        }
    }

    @Test func `with every key switched on it gives the defaults`() throws {
        let text = try String(contentsOfFile: Self.path, encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard let mark = line.firstIndex(of: "#"), line[line.index(after: mark)...].first?.isLetter == true else {
                return String(line)
            }
            return String(line[..<mark]) + String(line[line.index(after: mark)...])
        }
        let file = try TemporaryFile(
            lines.joined(separator: "\n").replacing("a long random token", with: "a-long-random-token"))
        let loaded = try ReceiverConfiguration.load(path: file.path, environment: [:], use: .server)
        let wanted = try defaults
        for (line, wantedLine) in zip(loaded.report.split(separator: "\n"), wanted.report.split(separator: "\n")) {
            guard let end = wantedLine.range(of: "  # "), !wantedLine.contains("(not set)") else { continue }
            let value = String(wantedLine[..<end.lowerBound]).split(separator: "  ").first ?? ""
            if value.hasPrefix("webhook.allowUnverified") { continue }
            #expect(line.hasPrefix(value + " "), "\(line)")
            #expect(line.contains(file.path))
        }
    }

    private var defaults: LoadedConfiguration {
        get throws {
            try ReceiverConfiguration.load(
                environment: ["CHARGEFOLD_WEBHOOK_ALLOW_UNVERIFIED": "true"], use: .server, defaultPath: nil)
        }
    }
}
