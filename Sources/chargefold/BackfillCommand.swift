import ArgumentParser
internal import Base
import DriveAPI
import Receiver
import SessionIndex
import SessionModel
import SessionStore

struct BackfillCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill",
        abstract: "Read a user's session history from the Drive API into the log.",
        discussion: """
            Every session of the history becomes a fact, unless it tells nothing new: running it again changes nothing. \
            Works through the running server, or without one. Needs the key of the Drive API.

            EXAMPLE
              chargefold backfill --user user1 --from 2026-01-01T00:00:00Z
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "The user; may be repeated.")
    var user: [String]

    @Option(name: .long, help: "Sessions that started at this time (RFC 3339) or later; by default all.")
    var from: String?

    @Option(name: .long, help: "Sessions that started at this time or earlier.")
    var to: String?

    /// At 50 sessions a page, far more than a user has.
    private static let pagesMax = 10_000

    func validate() throws {
        if user.isEmpty { throw ValidationError("--user is needed") }
        for text in [from, to].compactMap({ $0 }) where Instant(rfc3339: text) == nil {
            throw ValidationError("\(text) is no RFC 3339 timestamp, such as 2026-01-01T00:00:00Z")
        }
    }

    func run() throws {
        let configuration = try options.load(for: .tool).configuration
        let reader = try HistoryReader(configuration, from: from, to: to)
        defer { reader.close() }
        let progress = ProgressBar()
        var (sessions, news) = (0, 0)
        for user in user {
            var cursor: String?
            for page in 1...Self.pagesMax {
                let read = try reader.page(user, cursor)
                sessions += read.sessions
                news += read.news
                progress.show("\(user): page \(page)", done: Int64(sessions), total: 0, note: "\(news) with news")
                cursor = read.cursor
                if cursor == nil { break }
            }
        }
        progress.clear()
        print("\(sessions) \(sessions == 1 ? "session" : "sessions") read, \(news) with news")
    }
}

/// Pages of histories, read by the running server or by this process.
private enum HistoryReader {
    case server(ControlSocket, from: String?, to: String?)
    case files(DiskSessionStore, DriveAPIClient, Backfill, from: Instant?, to: Instant?)

    init(_ configuration: ReceiverConfiguration, from: String?, to: String?) throws {
        switch try DataDirectory.open(configuration, readOnly: false) {
        case .server(let control): self = .server(control, from: from, to: to)
        case .files(let store):
            guard configuration.driveApi.apiKey != nil else {
                throw failure("no key of the Drive API is configured (driveApi.apiKey, CHARGEFOLD_DRIVE_API_API_KEY)")
            }
            let client: DriveAPIClient
            do { client = try DriveAPIClient(configuration.driveApi) } catch { throw failure("\(error)") }
            self = .files(
                store, client, Backfill(client: client, store: store), from: from.flatMap { Instant(rfc3339: $0) },
                to: to.flatMap { Instant(rfc3339: $0) })
        }
    }

    func page(_ userId: String, _ cursor: String?) throws -> Backfill.Page {
        switch self {
        case .files(_, _, let backfill, let from, let to):
            do {
                return try BackgroundExecutor.wait {
                    try await backfill.page(userId: userId, from: from, to: to, cursor: cursor)
                }
            } catch Backfill.Failure.driveAPI(let error) {
                throw failure("the Drive API: \(error)")
            } catch Backfill.Failure.store(let error) {
                throw failure("\(error)")
            }
        case .server(let control, let from, let to):
            var writer = JSONWriter(capacity: 256)
            writer.beginObject()
            for (name, text) in [("userId" as StaticString, userId), ("from", from), ("to", to), ("cursor", cursor)] {
                guard let text else { continue }
                writer.key(name)
                writer.string(text)
            }
            writer.endObject()
            let answer = try control.send("POST", "/v1/backfill", body: writer.bytes)
            guard let page = (try? CanonicalJSON(parsing: answer)).flatMap({ Backfill.Page($0) }) else {
                throw failure("the server's answer can't be read")
            }
            return page
        }
    }

    func close() {
        if case .files(let store, let client, _, _, _) = self {
            client.close()
            store.close()
        }
    }
}
