import ArgumentParser
internal import Base
import Receiver
import SessionIndex
import SessionStore

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract:
            "Verify the log, fold it again and compare it with the session rows; exit with 1 when anything is wrong.",
        discussion: """
            Needs the data directory to itself: stop the server first. The log is verified first, byte by byte. Where it \
            is sound and rows differ, the rows are damaged: they can be moved aside, and the next start makes them again. \
            Where the log is damaged, keep both: rows may hold what the log has lost.

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
        for file in report.damagedFiles { print("damaged: log/\(file)") }
        for difference in report.differences { print("\(difference.kind.rawValue): \(difference.sessionId)") }
        if let advice = Self.advice(report) { print(advice) }
        if !report.isClean { throw ExitCode.failure }
    }

    /// Which side is damaged, and what to do: never to give up the better one.
    private static func advice(_ report: CheckReport) -> String? {
        switch (report.damagedFiles.isEmpty, report.differenceCount) {
        case (true, 0): nil
        case (true, _):
            "The log is sound, so the session rows are not: move sessions.sqlite aside, and the next start makes them again."
        case (false, 0):
            """
            The log is damaged (\(report.missingDeliveries) deliveries are missing), and the session rows agree with what \
            is left of it. Keep the directory as it is; restore the log from a backup that has them, if there is one.
            """
        case (false, _):
            """
            The log is damaged (\(report.missingDeliveries) deliveries are missing), and the session rows may hold what it \
            has lost: keep both as they are. Do not remove sessions.sqlite. Restore the log from a backup, if there is one.
            """
        }
    }
}
