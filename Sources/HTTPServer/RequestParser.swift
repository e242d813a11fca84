/// Finds requests in bytes, strictly by RFC 9112; see the extensions for head, framing and chunks.
///
/// A value without I/O. `advance` is given the bytes from the start of the message on; between two calls they may only
/// grow at the end (or shrink by `closeGap`). It looks at each byte once: `index` is where it goes on. Every decision
/// depends on the bytes alone, never on how they were split over reads.
package struct RequestParser: Sendable {
    package enum Step: Sendable, Hashable {
        /// All bytes were looked at and the message is not complete.
        case needMore
        /// The head is complete and its framing is valid. Set `bodyBytesMax`, then go on.
        case head
        /// The message is complete: its content lies at `bodyRange`, the next message starts at `index`.
        case complete
        case failed(HTTPError.Code)
    }

    enum State: UInt8, Sendable {
        case start, startLineFeed, method, target, version
        case fieldStart, fieldName, fieldValueStart, fieldValue, fieldLineFeed, headLineFeed
        case body
        case chunkSize, extensionBefore, extensionNameStart, extensionName, extensionAfterName, extensionValueStart
        case extensionValue, extensionQuoted, extensionEscape, extensionAfterValue
        case chunkSizeLineFeed, chunkData, chunkDataReturn, chunkDataLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, trailersLineFeed
        case complete, failed
    }

    package let limits: ParserLimits
    var state = State.start
    /// The next byte to look at, counted from the start of the message.
    package var index = 0
    /// Where the current element of the head, or the name of the current trailer, starts.
    var mark = 0
    /// End of the name of the current field.
    var nameEnd = 0
    /// Where the header fields start; their size is bounded from here.
    var fieldsStart = 0
    var emptyLines = 0
    package var lines = RequestLines()
    package var fields: [FieldRange] = []
    var facts = FramingFacts()
    /// First byte after the head.
    package var headEnd = 0
    /// Bytes of content found so far; they lie directly behind the head.
    package var bodyCount = 0
    /// Bytes of content that the application takes; to be set when `advance` returned `.head`.
    package var bodyBytesMax = 0
    var chunkRemaining = 0
    var chunkDigits = 0
    var extensionBytes = 0
    var trailerBytes = 0
    var failure = HTTPError.Code.malformedRequestLine

    package init(limits: ParserLimits) {
        self.limits = limits
    }

    /// Where the content lies once the message is complete.
    package var bodyRange: Range<Int> { headEnd..<headEnd + bodyCount }

    /// Whether not a single byte of a message has been seen, empty lines before it aside.
    package var isAtStart: Bool { state == .start || state == .startLineFeed }

    /// Whether the head is complete and the body is not.
    package var isInBody: Bool { state.rawValue >= State.body.rawValue && state.rawValue < State.complete.rawValue }

    /// Makes ready for the next message, whose bytes start where this one ended.
    package mutating func reset() {
        state = .start
        index = 0
        emptyLines = 0
        lines = RequestLines()
        if fields.capacity > 64 {
            fields = []
        } else {
            fields.removeAll(keepingCapacity: true)
        }
        facts = FramingFacts()
        headEnd = 0
        bodyCount = 0
        bodyBytesMax = 0
        chunkRemaining = 0
        chunkDigits = 0
        extensionBytes = 0
        trailerBytes = 0
    }

    /// Looks at the bytes that it has not seen yet.
    /// - Parameter buffer: all bytes from the start of the message on. The content of a chunked message is moved
    ///   together in it, behind the head.
    package mutating func advance(_ buffer: UnsafeMutableRawBufferPointer) -> Step {
        guard let base = buffer.baseAddress else { return state == .failed ? .failed(failure) : .needMore }
        let bytes = base.assumingMemoryBound(to: UInt8.self)
        if state.rawValue < State.body.rawValue {
            return advanceHead(UnsafePointer(bytes), buffer.count)
        }
        switch state {
        case .body: return startBody(bytes, buffer.count)
        case .complete: return .complete
        case .failed: return .failed(failure)
        default: return advanceChunks(bytes, buffer.count)
        }
    }

    mutating func fail(_ code: HTTPError.Code) -> Step {
        state = .failed
        failure = code
        return .failed(code)
    }

    private mutating func startBody(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Step {
        switch lines.framing {
        case .none:
            state = .complete
            return .complete
        case .length(let length):
            guard length <= bodyBytesMax else { return fail(.bodyTooLarge) }
            guard count - headEnd >= length else { return .needMore }
            bodyCount = length
            index = headEnd + length
            state = .complete
            return .complete
        case .chunked:
            state = .chunkSize
            return advanceChunks(bytes, count)
        }
    }

    /// The bytes that are of no use any more between the content found so far and `index`. The caller must remove
    /// them from its bytes.
    package mutating func closeGap() -> Range<Int>? {
        guard isInBody, state != .body else { return nil }
        // The name of a trailer is looked at once it is complete.
        let gap = headEnd + bodyCount..<(state == .trailerName ? mark : index)
        guard !gap.isEmpty else { return nil }
        index -= gap.count
        mark -= gap.count
        return gap
    }

    /// How many bytes the message needs at least, counted from its start; nil as long as nobody can tell.
    package var neededCount: Int? {
        if state == .body, case .length(let length) = lines.framing { headEnd + length } else { nil }
    }
}

/// The bounds that the parser enforces; see `Limits`.
package struct ParserLimits: Sendable {
    let methodBytesMax: Int
    let targetBytesMax: Int
    let headerBytesMax: Int
    let headerCountMax: Int
    let leadingEmptyLinesMax: Int
    let chunkExtensionBytesMax: Int
    let trailerBytesMax: Int

    package init(_ limits: Limits) {
        // Positions are kept in 32 bits.
        let ceiling = 1 << 28
        methodBytesMax = min(limits.methodBytesMax, ceiling)
        targetBytesMax = min(limits.targetBytesMax, ceiling)
        headerBytesMax = min(limits.headerBytesMax, ceiling)
        headerCountMax = limits.headerCountMax
        leadingEmptyLinesMax = min(limits.leadingEmptyLinesMax, 1_000)
        chunkExtensionBytesMax = limits.chunkExtensionBytesMax
        trailerBytesMax = limits.trailerBytesMax
    }
}
