internal import Base
import Compression
import HTTPServer
import SessionIndex
import SessionModel
import SessionStore

/// The log, for operators to read.
struct LogExport: Sendable {
    let store: any SessionStore

    /// `GET /v1/log?from=position&limit=n`: the log as NDJSON, from that position on, streamed; gzip on request.
    /// `?after=cursor` goes on behind a line that was read before, and only in the same history of the log.
    func answer(_ call: borrowing Call<Operator>) throws(Problem) {
        let query = try QueryParameters(of: call.request.head.query)
        let from = try query.number("from", in: 1...Int64.max, else: 1)
        let limit = try query.number("limit", in: 1...Int64.max, else: Int64.max)
        let cursor = try query["after"].map { (text) throws(Problem) in try Self.cursor(text) }
        let usesGzip = AcceptEncoding.allowsGzip(call.request.head.header("accept-encoding"))
        Task(executorPreference: BackgroundExecutor.shared) { [self, cursor, exchange = call.exchange] in
            do throws(StoreError) {
                guard let start = try start(cursor, from: from) else {
                    return exchange.respond(Response(.otherHistory))
                }
                await download(exchange, usesGzip: usesGzip, start, limit: limit)
            } catch {
                return exchange.respond(Response(Problem(error, .storeUnreadable)))
            }
        }
    }

    /// A cursor of this receiver's log, or of what several receivers share.
    private static func cursor(_ text: String) throws(Problem) -> LiveEventId {
        guard !text.contains("@"), let cursor = LiveEventId(text) else {
            throw .malformedQuery.with(detail: "after must be the cursor of a line of the log.")
        }
        return cursor
    }

    /// nil where the cursor is of another history.
    private func start(_ cursor: LiveEventId?, from first: Int64) throws(StoreError) -> LogStart? {
        var start = LogStart(position: first - 1, seen: store.originNumbers.map { SharedCursor(origins: $0) })
        guard let cursor else { return start }
        if let frontier = cursor.frontier {
            guard let seen = try SeenPlaces(frontier, in: store) else { return nil }
            start.position = seen.position
            start.seen = seen.cursor
        } else {
            guard try cursor.cursor.isOfHistory(of: store) else { return nil }
            start.position = cursor.position
        }
        return start
    }

    private func download(_ exchange: Exchange, usesGzip: Bool, _ start: LogStart, limit: Int64) async {
        var head = Response(status: 200, contentType: "application/x-ndjson")
        head.add("Cache-Control", "no-store" as StaticString)
        head.add("Vary", "Accept-Encoding" as StaticString)
        if usesGzip { head.add("Content-Encoding", "gzip" as StaticString) }
        await LogDownload(exchange.stream(head), usesGzip: usesGzip).run(store, start, limit: limit)
    }
}

/// Where a reader of the log begins.
private struct LogStart {
    var position: Int64
    /// What they have seen by places; nil where nothing is shared.
    var seen: SharedCursor?

    /// The next line; nil where the reader has it.
    mutating func line(_ entry: LoggedDelivery) -> [UInt8]? {
        guard seen != nil else { return entry.line }
        if seen?.covers(entry.place) ?? false { return nil }
        seen?.advance(entry.place)
        return entry.line(cursor: seen?.frontier.text ?? "")
    }
}

extension Problem {
    static let otherHistory = Problem(
        400, "other-history", "The cursor is of another log, or of a history that this one does not have.")
}

/// One reader of the log: rows go out as fast as the reader takes them, in bounded memory.
private struct LogDownload {
    /// Bytes in one piece of the stream; the next is made when it has been taken.
    private static let pieceBytes = 128 << 10

    private let stream: ResponseStream
    private let packer: Packer?

    init(_ stream: ResponseStream, usesGzip: Bool) {
        self.stream = stream
        packer = usesGzip ? Packer() : nil
    }

    func run(_ store: any SessionStore, _ start: LogStart, limit: Int64) async {
        var start = start
        var rest = limit
        var isOver = false
        while !isOver {
            var piece: [UInt8] = []
            isOver = true
            do throws(StoreError) {
                start.position = try store.scanLog(after: start.position) { entry throws(StoreError) in
                    guard let line = start.line(entry) else { return true }
                    piece += line
                    rest -= 1
                    isOver = rest == 0 || piece.count < Self.pieceBytes
                    return isOver && rest > 0
                }
            } catch {
                // The status has been sent: only a broken end can say that something is missing.
                return stream.abort()
            }
            guard await send(piece, isLast: isOver) else { return }
        }
        stream.finish()
    }

    /// The whole download as one gzip member: many clients read the first one only.
    private final class Packer {
        private var packed: [UInt8] = []
        private var writer: GzipWriter?

        /// The compressed bytes that there are so far, or nil where memory is short.
        func pack(_ bytes: [UInt8], isLast: Bool) -> [UInt8]? {
            do {
                let writer = try writer ?? GzipWriter { [unowned self] in packed.append(contentsOf: $0) }
                self.writer = writer
                try writer.write(bytes)
                if isLast { try writer.finish() }
            } catch {
                return nil
            }
            defer { packed = [] }
            return packed
        }
    }

    /// - Returns: false when the reader has gone.
    private func send(_ piece: [UInt8], isLast: Bool) async -> Bool {
        guard let bytes = packer == nil ? piece : packer?.pack(piece, isLast: isLast) else {
            stream.abort()
            return false
        }
        // One line alone can be longer than what may wait for the reader.
        var rest = bytes[...]
        while !rest.isEmpty {
            guard stream.write(Array(rest.prefix(Self.pieceBytes))) else { return false }
            rest = rest.dropFirst(Self.pieceBytes)
            await stream.drained()
        }
        return !stream.isClosed
    }
}
