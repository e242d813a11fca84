import Crypto
import Foundation
import GRDB
import HTTPTypes
import Hummingbird

/// The usual Swift stack doing Chargefold's work: verify the signature, decode, deduplicate, log, fold, all in one
/// durable transaction an event. `hummingbird-peer PORT DATABASE`, the secret in CHARGEFOLD_WEBHOOK_SECRET_CURRENT.
@main
struct HummingbirdPeer {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let port = Int(arguments[1]) else { return print("usage: PORT DATABASE") }
        let secret = ProcessInfo.processInfo.environment["CHARGEFOLD_WEBHOOK_SECRET_CURRENT"] ?? ""
        let key = SymmetricKey(data: Data(secret.utf8))
        let store = try EventStore(path: arguments[2])

        let router = Router()
        router.post("/webhooks/session-events") { request, _ -> Response in
            let buffer = try await request.body.collect(upTo: 65_536)
            let body = Data(buffer.readableBytesView)
            guard let name = HTTPField.Name("X-HMAC-SHA512-Signature"), let header = request.headers[name],
                let signature = Data(base64Encoded: header),
                HMAC<SHA512>.isValidAuthenticationCode(signature, authenticating: body, using: key)
            else { throw HTTPError(.forbidden) }
            let event: Event
            do { event = try JSONDecoder().decode(Event.self, from: body) } catch { throw HTTPError(.badRequest) }
            return try answer(await store.take(event, body: body))
        }
        router.get("/v1/sessions/:id") { _, context -> Response in
            guard let session = try await store.session(context.parameters.require("id")) else {
                throw HTTPError(.notFound)
            }
            return try answer(session)
        }
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)))
        try await application.runService()
    }

    private static func answer(_ value: some Encodable) throws -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: try JSONEncoder().encode(value))))
    }
}

struct Event: Decodable, Sendable {
    struct Payload: Decodable, Sendable {
        let sessionId: String
        let timestamp: String
        let userId: String?
    }
    let event: String
    let payload: Payload
}

struct Outcome: Encodable, Sendable {
    let outcome: String
    let sessionId: String
    let sessionStatus: String
    let version: Int
}

struct Session: Codable, FetchableRecord, PersistableRecord, Sendable {
    static let databaseTableName = "sessions"
    let sessionId: String
    var userId: String?
    var sessionStatus: String
    var statusSince: String
    var rank: Int
    var version: Int
}

struct EventStore: Sendable {
    let pool: DatabasePool

    init(path: String) throws {
        var configuration = Configuration()
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        pool = try DatabasePool(path: path, configuration: configuration)
        try pool.write { database in
            try database.execute(
                sql: """
                    CREATE TABLE IF NOT EXISTS events(
                        position INTEGER PRIMARY KEY, sessionId TEXT NOT NULL, fact TEXT NOT NULL, body BLOB NOT NULL);
                    CREATE INDEX IF NOT EXISTS eventsOfSession ON events(sessionId, fact);
                    CREATE TABLE IF NOT EXISTS sessions(
                        sessionId TEXT PRIMARY KEY, userId TEXT, sessionStatus TEXT NOT NULL, statusSince TEXT NOT NULL,
                        rank INTEGER NOT NULL, version INTEGER NOT NULL);
                    """)
        }
    }

    static let statuses = [
        "SESSION_STARTED": ("STARTED", 1), "SESSION_STOPPED": ("STOPPED", 6), "SESSION_COMPLETE": ("COMPLETE", 7),
    ]

    func take(_ event: Event, body: Data) async throws -> Outcome {
        try await pool.write { database in
            let payload = event.payload
            // The identity of a fact: its name and its payload.
            let fact = "\(event.event) \(payload.timestamp) \(payload.userId ?? "")"
            let isDuplicate =
                try Bool.fetchOne(
                    database, sql: "SELECT EXISTS(SELECT 1 FROM events WHERE sessionId = ? AND fact = ?)",
                    arguments: [payload.sessionId, fact]) ?? false
            try database.execute(
                sql: "INSERT INTO events(sessionId, fact, body) VALUES(?, ?, ?)",
                arguments: [payload.sessionId, fact, body])
            let (status, rank) = Self.statuses[event.event] ?? ("UNKNOWN", 0)
            var session =
                try Session.fetchOne(database, key: payload.sessionId)
                ?? Session(
                    sessionId: payload.sessionId, userId: payload.userId, sessionStatus: status,
                    statusSince: payload.timestamp, rank: rank, version: 0)
            if !isDuplicate {
                session.version += 1
                if (payload.timestamp, rank) >= (session.statusSince, session.rank) {
                    session.sessionStatus = status
                    session.statusSince = payload.timestamp
                    session.rank = rank
                }
                try session.save(database)
            }
            return Outcome(
                outcome: isDuplicate ? "duplicate" : "accepted", sessionId: session.sessionId,
                sessionStatus: session.sessionStatus, version: session.version)
        }
    }

    func session(_ id: String) async throws -> Session? {
        try await pool.read { try Session.fetchOne($0, key: id) }
    }
}
