import ArgumentParser
internal import Base
import Receiver
import SessionStore

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Refold the whole log and compare it with the session rows; exit with 1 when they differ.",
        discussion: """
            Needs the data directory to itself: stop the server first. Damaged rows are mended by deleting
            sessions.sqlite: the next start folds them from the log again.

            EXAMPLE
              CHARGEFOLD_DATA_DIRECTORY=/data chargefold check
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Flag(name: .long, help: "Say nothing when all is well.")
    var quiet = false

    func run() throws {
        let store = try DataDirectory.openFiles(options.load(for: .tool).configuration, readOnly: false)
        defer { store.close() }
        let bar = quiet ? nil : ProgressBar()
        let report: CheckReport
        do throws(StoreError) {
            report = try store.check { progress in
                bar?.show("\(progress.phase)", done: progress.done, total: progress.total)
            }
        } catch {
            bar?.clear()
            throw failure("\(error)")
        }
        bar?.clear()
        if !quiet {
            print("\(report.deliveries) deliveries, \(report.sessions) sessions, \(report.differenceCount) differ")
            if report.undecodableRows > 0 {
                print("\(report.undecodableRows) log rows can't be decoded by this release")
            }
        }
        for difference in report.differences { print("\(difference.kind.rawValue): \(difference.sessionId)") }
        if report.differenceCount > 0 { throw ExitCode.failure }
    }
}
