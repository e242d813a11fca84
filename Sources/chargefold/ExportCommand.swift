import ArgumentParser
internal import Base
import Compression
import Receiver
import SessionIndex
import SessionModel
import SessionStore

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the event log as NDJSON to standard output.",
        discussion: """
            One line a delivery: position, receivedAt, source, body (as received). Works beside a running server too. \
            Replayed into an empty server, the log gives the same states.

            EXAMPLE
              chargefold export --gzip > log.ndjson.gz
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "The first position to write.")
    var from: Int64 = 1

    @Flag(name: .long, help: "Compress the output.")
    var gzip = false

    /// Rows that are fetched from a running server at a time.
    private static let pageRows = 5_000

    func validate() throws {
        if from < 1 { throw ValidationError("--from must be at least 1") }
    }

    func run() throws {
        let output = try StandardOutput(gzip: gzip)
        switch try DataDirectory.open(options.load(for: .tool).configuration, readOnly: true) {
        case .files(let store):
            defer { store.close() }
            do throws(StoreError) {
                try store.scanLog(after: from - 1) { entry throws(StoreError) in output.write(entry.line) }
            } catch {
                throw failure("\(error)")
            }
        case .server(let control):
            var place = "from=\(from)"
            while true {
                let page = try control.send("GET", "/v1/log?\(place)&limit=\(Self.pageRows)")
                guard let last = Self.lastCursor(of: page), output.write(page) else { break }
                place = "after=\(last)"
            }
        }
        try output.finish()
    }

    /// The cursor of the last line of a page; nil for an empty page.
    private static func lastCursor(of page: [UInt8]) -> String? {
        let line = page.dropLast().split(separator: UInt8(ascii: "\n")).last
        return line.flatMap { try? CanonicalJSON(parsing: Array($0)) }?.string("cursor")
    }
}
