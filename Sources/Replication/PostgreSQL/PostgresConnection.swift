internal import Base
internal import CPostgreSQL
internal import Glibc

/// One connection to PostgreSQL.
///
/// Its calls block their caller, an actor with a queue of its own, and never longer than they are told to: libpq works
/// without blocking here, and what waits is `poll`, for the socket, for a deadline and for an interruption. Whatever ends
/// otherwise than with an answer leaves the connection useless (`isUsable`): what the server is doing with the statement is
/// not known then, and it is never cancelled, because a commit that is cancelled while it waits for a standby is there and
/// yet may be gone after a failover.
///
/// Not thread-safe; confined to its owner.
final class PostgresConnection {
    private let connection: OpaquePointer
    private let interruption: Interruption
    private let settings: PostgresSettings
    private let inbox: NoticeInbox
    private var prepared: Set<String> = []
    private(set) var isUsable = true
    /// The host's place in the settings.
    let place: Int
    private var buffer: [UInt8] = []

    /// How long a call waits.
    enum Patience {
        case milliseconds(Int)
        /// As long as it takes; asks now and then whether there is still something to wait for.
        case unbounded(askMilliseconds: Int, goOn: () -> Bool)
    }

    /// Connects to the first host that answers, and takes what is asked of it.
    ///
    /// - Parameters:
    ///   - name: shown in `pg_stat_activity`.
    ///   - first: the host to begin with, by its place in the settings.
    /// - Throws: `unreachable` with what each host answered, `timedOut`, `interrupted`, `refused`.
    init(
        _ settings: PostgresSettings, name: String, first: Int = 0, interruption: Interruption
    ) throws(PostgresError) {
        self.settings = settings
        self.interruption = interruption
        inbox = NoticeInbox()
        var failures: [PostgresError] = []
        for turn in settings.hosts.indices {
            let place = (first + turn) % settings.hosts.count
            let host = settings.hosts[place]
            let deadline = ContinuousClock.now + .milliseconds(settings.connectMilliseconds)
            do throws(PostgresError) {
                connection = try Self.connect(host, settings, name: name, until: deadline, interruption)
                self.place = place
                PQsetnonblocking(connection, 1)
                let context = Unmanaged.passUnretained(inbox).toOpaque()
                PQsetNoticeReceiver(
                    connection,
                    { context, result in
                        guard let context, let result else { return }
                        Unmanaged<NoticeInbox>.fromOpaque(context).takeUnretainedValue().take(result)
                    }, context)
                return
            } catch  where error.kind == .interrupted {
                throw error
            } catch {
                failures.append(error)
            }
        }
        let message = failures.map(\.message).joined(separator: "; ")
        let isTimedOut = failures.allSatisfy { $0.kind == .timedOut }
        throw PostgresError(isTimedOut ? .timedOut : .unreachable, message)
    }

    deinit { PQfinish(connection) }

    /// The server's number for this connection's session, for `pg_stat_activity`, as of `claimSession`. A pooler in between
    /// tells libpq another one.
    private(set) var backend: Int32 = 0

    /// To be called first. What is set for a session, and what is prepared in it, must be this connection's.
    /// - Throws: `settings` where a pooler in between has given the session to another connection of ours before.
    func claimSession() throws(PostgresError) {
        let result = try execute(
            """
            select pg_backend_pid(), coalesce(current_setting('chargefold.session', true), ''),
                set_config('chargefold.session', 'claimed', false)
            """)
        backend = Int32(truncatingIfNeeded: result.integer(0, 0))
        guard backend == PQbackendPID(connection) || result.text(0, 1).isEmpty else { throw .pooled }
    }

    /// As in `server_version_num`, such as 150004.
    var serverVersion: Int { Int(PQserverVersion(connection)) }

    // MARK: Statements

    /// Executes a statement, prepared once for this connection under its text.
    func execute(
        _ sql: String, _ parameters: [PostgresParameter] = [], patience: Patience = .milliseconds(5_000)
    ) throws(PostgresError) -> PostgresResult {
        try makeReady()
        if !prepared.contains(sql) {
            let types = parameters.map(\.type)
            guard PQsendPrepare(connection, Self.name(sql), sql, Int32(types.count), types) == 1 else { throw lost() }
            _ = try answer(patience)
            prepared.insert(sql)
        }
        try send(Self.name(sql), parameters)
        return try answer(patience)
    }

    /// Executes several statements without parameters, in one transaction unless they say otherwise.
    func execute(script: String, patience: Patience = .milliseconds(30_000)) throws(PostgresError) {
        try makeReady()
        guard PQsendQuery(connection, script) == 1 else { throw lost() }
        _ = try answer(patience)
    }

    /// The statement's text is its name, hashed; the text of ours are few.
    private static func name(_ sql: String) -> String {
        "s" + String(sql.utf8.reduce(5_381) { ($0 &* 33) ^ UInt64($1) })
    }

    private func makeReady() throws(PostgresError) {
        guard isUsable else { throw PostgresError(.unreachable, "the connection is lost") }
        _ = inbox.drain()
    }

    private func send(_ name: String, _ parameters: [PostgresParameter]) throws(PostgresError) {
        buffer.removeAll(keepingCapacity: true)
        var starts: [Int] = []
        for parameter in parameters {
            starts.append(buffer.count)
            parameter.write(to: &buffer)
        }
        starts.append(buffer.count)
        // So that an empty value is not the same as none.
        buffer.append(0)
        let isSent = buffer.withUnsafeBytes { bytes in
            let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            var values: [UnsafePointer<CChar>?] = []
            var lengths: [Int32] = []
            for (index, parameter) in parameters.enumerated() {
                if case .null = parameter { values.append(nil) } else { values.append(base.map { $0 + starts[index] }) }
                lengths.append(Int32(starts[index + 1] - starts[index]))
            }
            let formats = [Int32](repeating: 1, count: parameters.count)
            return PQsendQueryPrepared(connection, name, Int32(parameters.count), values, lengths, formats, 1)
        }
        if buffer.capacity > Self.keptBytesMax { buffer = [] }
        guard isSent == 1 else { throw lost() }
    }

    /// Waits for the whole answer and gives its last result.
    /// - Throws: `refused` with what the server said, after which the connection goes on; `unreachable` and so on.
    private func answer(_ patience: Patience) throws(PostgresError) -> PostgresResult {
        var wait = Wait(patience)
        var last: PostgresResult?
        var failure: PostgresError?
        while true {
            var events = Int16(POLLIN)
            switch PQflush(connection) {
            case 0: break
            case 1: events |= Int16(POLLOUT)
            default: throw lost()
            }
            while PQisBusy(connection) == 0 {
                guard let result = PQgetResult(connection) else {
                    if let failure { throw failure }
                    guard let answer = last.take() else { throw lost() }
                    return answer
                }
                switch PQresultStatus(result) {
                case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
                    last = PostgresResult(result, notices: inbox.drain())
                default:
                    failure = failure ?? refusal(result)
                    PQclear(result)
                }
            }
            try poll(events, &wait)
            guard PQconsumeInput(connection) == 1 else { throw lost() }
        }
    }

    private func refusal(_ result: OpaquePointer) -> PostgresError {
        let message = PQresultErrorField(result, Int32(UInt8(ascii: "M"))).map { String(cString: $0) }
        let state = PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { String(cString: $0) }
        if PQstatus(connection) != CONNECTION_OK { isUsable = false }
        // Its own statements, prepared in another session, or by another connection in this one.
        if let state, [PostgresError.State.duplicatePrepared, PostgresError.State.notPrepared].contains(state) {
            isUsable = false
            return .pooled
        }
        guard let state, isUsable else {
            isUsable = false
            return PostgresError(.unreachable, settings.redact(message ?? "the connection is lost"))
        }
        return PostgresError(.refused(state), settings.redact(message ?? "SQLSTATE \(state)"))
    }

    // MARK: Notifications

    /// Waits until the server notifies, `wake` is raised, or the time is over.
    /// - Returns: whether there was a notification.
    func waitForNotification(milliseconds: Int, wake: Interruption) throws(PostgresError) -> Bool {
        try makeReady()
        if takeNotifications() { return true }
        var descriptors = [
            pollfd(fd: PQsocket(connection), events: Int16(POLLIN), revents: 0),
            pollfd(fd: interruption.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = Glibc.poll(&descriptors, 3, Int32(max(0, milliseconds)))
        if interruption.isRaised { throw interrupted() }
        guard PQconsumeInput(connection) == 1 else { throw lost() }
        return takeNotifications()
    }

    private func takeNotifications() -> Bool {
        var found = false
        while let notification = PQnotifies(connection) {
            found = true
            PQfreemem(notification)
        }
        return found
    }

    // MARK: Waiting

    /// How far a wait has come.
    private struct Wait {
        let patience: Patience
        var next: ContinuousClock.Instant

        init(_ patience: Patience) {
            self.patience = patience
            next = .now + .milliseconds(Self.milliseconds(patience))
        }

        static func milliseconds(_ patience: Patience) -> Int {
            switch patience {
            case .milliseconds(let count), .unbounded(let count, _): count
            }
        }

        /// After the time is over: whether to wait on.
        mutating func goOn() -> Bool {
            guard case .unbounded(let count, let goOn) = patience, goOn() else { return false }
            next = .now + .milliseconds(count)
            return true
        }
    }

    private func poll(_ events: Int16, _ wait: inout Wait) throws(PostgresError) {
        while true {
            let left = Self.milliseconds(until: wait.next)
            let isReady = Self.poll(PQsocket(connection), events, milliseconds: left, interruption)
            if interruption.isRaised { throw interrupted() }
            if isReady { return }
            if wait.next <= .now, !wait.goOn() {
                isUsable = false
                throw PostgresError(.timedOut, "the database does not answer")
            }
        }
    }

    private static func poll(
        _ socket: Int32, _ events: Int16, milliseconds: Int32, _ interruption: Interruption
    ) -> Bool {
        var descriptors = [
            pollfd(fd: socket, events: events, revents: 0),
            pollfd(fd: interruption.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        return Glibc.poll(&descriptors, 2, milliseconds) > 0 && descriptors[0].revents != 0
    }

    /// Rounded up, so that the time is over after it.
    private static func milliseconds(until end: ContinuousClock.Instant) -> Int32 {
        let left = end - .now
        guard left > .zero else { return 0 }
        return Int32(
            clamping: left.components.seconds * 1_000 + left.components.attoseconds / 1_000_000_000_000_000 + 1)
    }

    private func lost() -> PostgresError {
        isUsable = false
        return PostgresError(.unreachable, Self.message(connection, settings))
    }

    private func interrupted() -> PostgresError {
        isUsable = false
        return PostgresError(.interrupted, "interrupted")
    }

    private static func message(_ connection: OpaquePointer, _ settings: PostgresSettings) -> String {
        let message = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        return settings.redact(line.isEmpty ? "the connection is lost" : line)
    }

    /// Larger buffers are not kept for the next statement.
    private static let keptBytesMax = 1 << 20

    // MARK: Connecting

    private static func connect(
        _ host: PostgresSettings.Host, _ settings: PostgresSettings, name: String, until end: ContinuousClock.Instant,
        _ interruption: Interruption
    ) throws(PostgresError) -> OpaquePointer {
        var keywords = host.keywords
        if keywords["application_name"] == nil { keywords["application_name"] = name }
        guard let connection = start(keywords) else { throw PostgresError(.unreachable, "no memory for a connection") }
        do throws(PostgresError) {
            var polling = PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING
            while polling != PGRES_POLLING_OK {
                guard polling != PGRES_POLLING_FAILED else {
                    throw PostgresError(.unreachable, message(connection, settings))
                }
                let events = Int16(polling == PGRES_POLLING_READING ? POLLIN : POLLOUT)
                let left = milliseconds(until: end)
                let isReady = poll(PQsocket(connection), events, milliseconds: left, interruption)
                if interruption.isRaised { throw PostgresError(.interrupted, "interrupted") }
                guard isReady || milliseconds(until: end) > 0 else {
                    throw PostgresError(.timedOut, "\(host.name) does not answer")
                }
                if isReady { polling = PQconnectPoll(connection) }
            }
            return connection
        } catch {
            PQfinish(connection)
            throw error
        }
    }

    private static func start(_ keywords: [String: String]) -> OpaquePointer? {
        let pairs = keywords.sorted { $0.key < $1.key }
        let names = pairs.map { strdup($0.key) } + [nil]
        let values = pairs.map { strdup($0.value) } + [nil]
        defer { for text in names + values { free(text) } }
        return PQconnectStartParams(names.map { UnsafePointer($0) }, values.map { UnsafePointer($0) }, 0)
    }
}

/// What the server has told since somebody looked. A class, because libpq keeps its address.
private final class NoticeInbox {
    private var notices: [PostgresNotice] = []

    func take(_ result: OpaquePointer) {
        let state = PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { String(cString: $0) } ?? ""
        let message = PQresultErrorField(result, Int32(UInt8(ascii: "M"))).map { String(cString: $0) } ?? ""
        // More than a few are no help to anybody.
        if notices.count < 16 { notices.append(PostgresNotice(sqlState: state, message: message)) }
    }

    func drain() -> [PostgresNotice] {
        defer { notices = [] }
        return notices
    }
}
