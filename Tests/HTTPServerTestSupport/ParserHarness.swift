package import HTTPServer

/// Runs the parser the way a connection does, without sockets.
package enum ParserHarness {
    /// What came out of some bytes.
    package enum Outcome: Hashable, Sendable {
        case request(method: [UInt8], path: [UInt8], query: [UInt8]?, fields: [[UInt8]], body: [UInt8])
        case failure(HTTPError.Code)
        /// Bytes of an incomplete message are left.
        case incomplete
    }

    /// All that the parser finds in the pieces, given to it one after the other.
    package static func outcomes(
        of pieces: some Sequence<some Collection<UInt8>>, limits: Limits = Limits(), bodyBytesMax: Int = 65_536
    ) -> [Outcome] {
        var parser = RequestParser(limits: ParserLimits(limits))
        var input: [UInt8] = []
        var outcomes: [Outcome] = []
        for piece in pieces {
            input += piece
            var consumed = 0
            let mayGoOn = input.withUnsafeMutableBytes { bytes in
                while consumed < bytes.count {
                    let message = UnsafeMutableRawBufferPointer(rebasing: bytes[consumed...])
                    switch parser.advance(message) {
                    case .needMore: return true
                    case .head: parser.bodyBytesMax = bodyBytesMax
                    case .complete:
                        outcomes.append(request(parser, message))
                        consumed += parser.index
                        parser.reset()
                    case .failed(let code):
                        outcomes.append(.failure(code))
                        return false
                    }
                }
                return true
            }
            guard mayGoOn else { return outcomes }
            input.removeSubrange(0..<consumed)
            if let gap = parser.closeGap() { input.removeSubrange(gap) }
        }
        if !parser.isAtStart { outcomes.append(.incomplete) }
        return outcomes
    }

    private static func request(_ parser: RequestParser, _ message: UnsafeMutableRawBufferPointer) -> Outcome {
        guard let base = message.baseAddress else { return .incomplete }
        let head = RequestHead(base: UnsafeRawPointer(base), lines: parser.lines, fields: parser.fields)
        var fields: [[UInt8]] = []
        for index in 0..<head.fieldCount {
            let field = head.field(index)
            fields.append(Array(field.name) + [UInt8(ascii: ":")] + Array(field.value))
        }
        return .request(
            method: Array(head.method), path: Array(head.path), query: head.query.map { Array($0) }, fields: fields,
            body: Array(message[parser.bodyRange]))
    }

    /// The entry of a fuzzer: the same bytes at once, byte by byte and in two pieces must give the same outcomes.
    /// Stops the process when they do not.
    package static func fuzz(_ bytes: UnsafeRawBufferPointer) {
        var limits = Limits()
        // Small bounds, so that short inputs reach them.
        limits.targetBytesMax = 64
        limits.headerBytesMax = 512
        limits.headerCountMax = 8
        limits.chunkExtensionBytesMax = 32
        limits.trailerBytesMax = 64
        let all = Array(bytes)
        let whole = outcomes(of: [all], limits: limits, bodyBytesMax: 256)
        precondition(whole == outcomes(of: all.map { [$0] }, limits: limits, bodyBytesMax: 256), "byte by byte")
        guard let first = all.first else { return }
        let split = Int(first) % all.count
        let halves = [all[..<split], all[split...]]
        precondition(whole == outcomes(of: halves, limits: limits, bodyBytesMax: 256), "in two pieces")
    }
}
