internal import Base
import Compression
import Dispatch
import HTTPServer
import SessionIndex
import SessionStore

/// Rows are read from disk here, off the event loops.
private let logQueue = DispatchQueue(label: "chargefold.log-export", qos: .utility, attributes: .concurrent)

/// The log, for operators to read.
struct LogExport: Sendable {
    let store: any SessionStore

    /// `GET /v1/log?from=position&limit=n`: the log as NDJSON, from that position on, streamed; gzip on request.
    /// `?after=cursor` goes on behind a line that was read before, and only in the same history of the log.
    func answer(_ call: borrowing Call<Operator>) throws(Problem) {
        guard let query = QueryParameters(call.request.head.query),
            let from = query.integer("from", in: 1...Int64.max) ?? .some(1),
            let limit = query.integer("limit", in: 1...Int64.max) ?? .some(Int64.max)
        else { throw .malformedQuery }
        var cursor: LogCursor?
        if let after = query["after"] {
            cursor = LogCursor(after)
            if cursor == nil { throw .malformedQuery }
        }
        let usesGzip = AcceptEncoding.allowsGzip(call.request.head.header("accept-encoding"))
        logQueue.async { [self, cursor, exchange = call.exchange] in
            do throws(StoreError) {
                if let cursor, try !cursor.isOfHistory(of: store) {
                    return exchange.respond(Response(.otherHistory))
                }
            } catch {
                return exchange.respond(Response(Problem(error, .storeUnreadable)))
            }
            download(exchange, usesGzip: usesGzip, after: cursor?.position ?? from - 1, limit: limit)
        }
    }

    private func download(_ exchange: Exchange, usesGzip: Bool, after position: Int64, limit: Int64) {
        var head = Response(status: 200, contentType: "application/x-ndjson")
        head.add("Cache-Control", "no-store" as StaticString)
        head.add("Vary", "Accept-Encoding" as StaticString)
        if usesGzip { head.add("Content-Encoding", "gzip" as StaticString) }
        let stream = exchange.stream(head)
        LogDownload(stream: stream, usesGzip: usesGzip).run(store, after: position, limit: limit)
    }
}

extension Problem {
    static let otherHistory = Problem(
        400, "other-history", "The cursor is of another log, or of a history that this one does not have.")
}

/// One reader of the log: rows go out as fast as the reader takes them, in bounded memory.
private final class LogDownload: Sendable {
    /// Bytes in one piece of the stream; the next is made when it has been taken.
    private static let pieceBytes = 128 << 10
    /// Seconds that a reader may take nothing before it is given up.
    private static let patienceSeconds = 60

    private let stream: ResponseStream
    private let usesGzip: Bool
    private let mayGoOn = DispatchSemaphore(value: 0)

    init(stream: ResponseStream, usesGzip: Bool) {
        self.stream = stream
        self.usesGzip = usesGzip
        stream.onDrain { [mayGoOn] in mayGoOn.signal() }
        stream.onClose { [mayGoOn] in mayGoOn.signal() }
    }

    func run(_ store: any SessionStore, after position: Int64, limit: Int64) {
        var rest = limit
        var piece: [UInt8] = []
        let packer = usesGzip ? Packer() : nil
        do throws(StoreError) {
            try store.scanLog(after: position) { entry throws(StoreError) in
                piece += entry.line
                rest -= 1
                if piece.count >= Self.pieceBytes {
                    guard send(piece, packer) else { return false }
                    piece.removeAll(keepingCapacity: true)
                }
                return rest > 0
            }
        } catch {
            // The status has been sent: only a broken end can say that something is missing.
            return stream.abort()
        }
        // Nothing at all would be no gzip, where gzip was announced.
        if !piece.isEmpty || usesGzip { _ = send(piece, packer, isLast: true) }
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
    private func send(_ piece: [UInt8], _ packer: Packer?, isLast: Bool = false) -> Bool {
        guard let bytes = packer == nil ? piece : packer?.pack(piece, isLast: isLast) else {
            stream.abort()
            return false
        }
        // One line alone can be longer than what may wait for the reader.
        var rest = bytes[...]
        while !rest.isEmpty {
            guard hand(over: Array(rest.prefix(Self.pieceBytes))) else { return false }
            rest = rest.dropFirst(Self.pieceBytes)
        }
        return true
    }

    private func hand(over bytes: [UInt8]) -> Bool {
        guard stream.write(bytes) else {
            stream.abort()
            return false
        }
        while stream.bufferedBytes > 0 {
            if mayGoOn.wait(timeout: .now() + .seconds(Self.patienceSeconds)) == .timedOut {
                stream.abort()
                return false
            }
            if stream.isClosed { return false }
        }
        return true
    }
}
