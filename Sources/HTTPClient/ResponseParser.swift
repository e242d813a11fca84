internal import Glibc

/// Reads responses incrementally (RFC 9112): bytes go in, a response comes out. A value without I/O, reused for all
/// responses of a connection.
struct ResponseParser {
    /// What ends a message's body.
    private enum State {
        case head
        case fixed(left: Int)
        case chunkSize
        case chunkData(left: Int)
        case chunkEnd
        case trailers
        case untilClose
        case complete
    }

    let headBytesMax: Int
    let bodyBytesMax: Int

    private(set) var status = 0
    /// Whether the connection can be used again after this response.
    private(set) var keepsAlive = true
    private(set) var head: [UInt8] = []
    private(set) var body: [UInt8] = []
    /// Whether any byte of this response has come.
    private(set) var hasBegun = false
    private var state = State.head
    private var answersHead = false
    private var line: [UInt8] = []
    private var trailerBytes = 0

    init(headBytesMax: Int, bodyBytesMax: Int) {
        self.headBytesMax = headBytesMax
        self.bodyBytesMax = bodyBytesMax
    }

    /// Makes it ready for the next response.
    ///
    /// - Parameter answersHead: the request was a HEAD: the response has no body whatever it says.
    mutating func reset(answersHead: Bool = false) {
        status = 0
        keepsAlive = true
        head.removeAll(keepingCapacity: true)
        body.removeAll(keepingCapacity: true)
        hasBegun = false
        state = .head
        self.answersHead = answersHead
        line.removeAll(keepingCapacity: true)
        trailerBytes = 0
    }

    var isComplete: Bool {
        if case .complete = state { true } else { false }
    }

    /// Takes bytes up to the end of the response.
    ///
    /// - Returns: the number of bytes taken: fewer than given only when the response is complete.
    mutating func feed(_ input: UnsafeRawBufferPointer) throws(HTTPClientError) -> Int {
        var index = 0
        if !input.isEmpty { hasBegun = true }
        while index < input.count {
            let rest = UnsafeRawBufferPointer(rebasing: input[index...])
            switch state {
            case .complete: return index
            case .head: index += try feedHead(rest)
            case .fixed(let left):
                let count = min(left, rest.count)
                try append(rest[..<count])
                index += count
                state = left == count ? .complete : .fixed(left: left - count)
            case .untilClose:
                try append(rest[...])
                index = input.count
            case .chunkData(let left):
                let count = min(left, rest.count)
                try append(rest[..<count])
                index += count
                state = left == count ? .chunkEnd : .chunkData(left: left - count)
            case .chunkSize, .chunkEnd, .trailers:
                guard let taken = try feedLine(rest) else { return input.count }
                index += taken
                try endLine()
            }
        }
        return index
    }

    /// The connection has ended.
    ///
    /// - Parameter wasCut: without the end that the transport should have made: then no body is complete by it.
    /// - Throws: unless that completes the response.
    mutating func end(wasCut: Bool = false) throws(HTTPClientError) {
        switch state {
        case .complete: return
        case .untilClose where !wasCut: state = .complete
        default:
            guard hasBegun else {
                throw HTTPClientError(.closedBeforeResponse, "the server closed the connection without an answer")
            }
            throw HTTPClientError(.closedWithinResponse, "the server closed the connection within its answer")
        }
    }

    // MARK: Head

    private mutating func feedHead(_ input: UnsafeRawBufferPointer) throws(HTTPClientError) -> Int {
        // The end is at most three bytes before what is new.
        let before = head.count
        let take = min(input.count, headBytesMax + 1 - before)
        head.append(contentsOf: input[..<take])
        guard let end = endOfHead(from: max(0, before - 3)), end <= headBytesMax else {
            // Don't wait for the end of something that is not HTTP at all.
            guard head.starts(with: Array("HTTP/1.".utf8).prefix(head.count)) else {
                throw malformed("no HTTP/1 status line")
            }
            guard head.count <= headBytesMax else {
                throw HTTPClientError(.responseTooLarge, "the answer's head is longer than \(headBytesMax) bytes")
            }
            return take
        }
        head.removeLast(head.count - end)
        try parseHead()
        return end - before
    }

    /// The index behind the empty line.
    private func endOfHead(from start: Int) -> Int? {
        head.withUnsafeBytes { bytes in
            var index = start
            while let base = bytes.baseAddress,
                let found = memchr(base + index, 0x0A, bytes.count - index)
            {
                let position = base.distance(to: UnsafeRawPointer(found))
                if position >= 3, bytes[position - 1] == 0x0D, bytes[position - 2] == 0x0A, bytes[position - 3] == 0x0D
                {
                    return position + 1
                }
                index = position + 1
            }
            return nil
        }
    }

    private mutating func parseHead() throws(HTTPClientError) {
        var framing = Framing()
        try withTypedErrors { try head.withUnsafeBytes { try framing.parse($0) } }
        status = framing.status
        keepsAlive = framing.keepsAlive
        if (100..<200).contains(status) {
            guard status != 101 else { throw malformed("an upgrade that nobody asked for") }
            head.removeAll(keepingCapacity: true)
            return
        }
        if answersHead || status == 204 || status == 304 {
            state = .complete
        } else if framing.isChunked {
            state = .chunkSize
        } else if let length = framing.contentLength {
            guard length <= bodyBytesMax else { throw tooLarge }
            state = length == 0 ? .complete : .fixed(left: length)
        } else {
            keepsAlive = false
            state = .untilClose
        }
    }

    // MARK: Body

    private mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>) throws(HTTPClientError) {
        guard body.count + bytes.count <= bodyBytesMax else { throw tooLarge }
        body.append(contentsOf: bytes)
    }

    /// Collects a line of the chunked coding.
    ///
    /// - Returns: the bytes taken, the line feed included; `nil` when it goes on.
    private mutating func feedLine(_ input: UnsafeRawBufferPointer) throws(HTTPClientError) -> Int? {
        let end = input.firstIndex(of: 0x0A)
        line.append(contentsOf: input[..<(end ?? input.count)])
        guard line.count <= 4096 else { throw malformed("a line of the chunked coding is too long") }
        guard let end else { return nil }
        guard line.popLast() == 0x0D else { throw malformed("a line ends without CR") }
        return end + 1
    }

    private mutating func endLine() throws(HTTPClientError) {
        defer { line.removeAll(keepingCapacity: true) }
        switch state {
        case .chunkSize:
            let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != 0x20 && $0 != 0x09 }
            let isHexadecimal = digits.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
            guard (1...8).contains(digits.count), isHexadecimal,
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
            else { throw malformed("a chunk without a size") }
            guard body.count + size <= bodyBytesMax else { throw tooLarge }
            state = size == 0 ? .trailers : .chunkData(left: size)
        case .chunkEnd:
            guard line.isEmpty else { throw malformed("a chunk longer than its size") }
            state = .chunkSize
        default:
            trailerBytes += line.count
            guard trailerBytes <= headBytesMax else { throw malformed("too many trailers") }
            if line.isEmpty { state = .complete }
        }
    }

    private var tooLarge: HTTPClientError {
        HTTPClientError(.responseTooLarge, "the answer's body is longer than \(bodyBytesMax) bytes")
    }
}

func malformed(_ what: String) -> HTTPClientError {
    HTTPClientError(.malformedResponse, "the answer is not HTTP/1.1: \(what)")
}
