internal import Base
internal import Glibc

/// Opens the files of a log: finds out whose they are and where they end, and verifies the newest of them. The others are
/// verified whenever they are read.
struct LogOpening {
    /// The data directory.
    let directory: String
    let options: LogOptions
    let readOnly: Bool
    let acceptsLoss: Bool

    struct Opened {
        let directory: String
        let identity: Identity
        let segments: [Segment]
        let end: LogAppender.End
        let appender: LogAppender?
        let damages: [LogDamage]
        let isNew: Bool
    }

    private var path: String {
        FileSystem.join(directory, LogFormat.directoryName)
    }

    func open(known: KnownLog?) throws(StoreError) -> Opened {
        let positions = try LogFormat.firstPositions(in: path)
        guard !positions.isEmpty else { return try make(known) }
        var files = try positions.map { (first) throws(StoreError) in try Found(path, first) }
        guard let identity = identity(of: files, known) else {
            throw StoreError(
                .damaged, "no file in \(path) can be told to be of a log: restore it from a backup")
        }
        // Files of another log are left where they are, and not read.
        files.removeAll { $0.header.map { $0.identity != identity } ?? false }
        if let known, known.identity != identity, !acceptsLoss {
            throw lost("\(path) is another log than the one that the session rows and the ledger belong to")
        }
        let remembered = known?.identity == identity ? known?.end ?? 0 : 0
        let seed = LogFormat.seed(identity)
        var own: [Found] = []
        for file in files where try !isStray(file, after: own.last, seed) { own.append(file) }
        return try open(own, identity, remembered: remembered)
    }

    /// A file without a header that begins beyond everything that the one before it can hold, and in which nothing is
    /// sound, is none of the log's: its name must not say where the log ends.
    private func isStray(_ file: Found, after previous: Found?, _ seed: UInt32) throws(StoreError) -> Bool {
        guard file.header == nil, let previous else { return false }
        let reach = max(previous.first + Int64(previous.size / RowHeader.bytes), previous.header?.emptiedThrough ?? 0)
        guard file.first > reach + 1 else { return false }
        let salvage = try SegmentSalvage(
            file.file, limit: file.size, seed: seed,
            positions: file.first...file.first + Int64(file.size / RowHeader.bytes), soundThrough: 0,
            origins: OriginTable())
        return salvage.rows.isEmpty && salvage.entries.isEmpty
    }

    /// A file of the log, as it was found.
    private struct Found {
        let first: Int64
        let header: SegmentHeader?
        let file: ReadFile
        let size: Int
        /// Every byte of the header's block is as it was written.
        let isWhole: Bool

        init(_ directory: String, _ first: Int64) throws(StoreError) {
            self.first = first
            let path = directory + "/" + LogFormat.fileName(firstPosition: first)
            do throws(LogFileError) {
                file = try ReadFile(path: path)
                size = file.size
            } catch {
                throw StoreError(.unavailable, "\(error)")
            }
            var window = ReadWindow(file, limit: size)
            let block = try window.bytes(0, LogFormat.blockBytes)
            // A copy under another name is not this segment.
            header = SegmentHeader(block).flatMap { $0.firstPosition == first ? $0 : nil }
            isWhole = header != nil && SegmentHeader.isWhole(block)
        }
    }

    /// Whose files these are: what somebody remembers counts first, then the newest sound header, then an entry whose
    /// checksum begins with the origin that it names.
    private func identity(of files: [Found], _ known: KnownLog?) -> Identity? {
        let found = files.compactMap { $0.header?.identity }
        if let known, found.contains(known.identity) || found.isEmpty { return known.identity }
        if let newest = found.last { return newest }
        for file in files.reversed() {
            var window = ReadWindow(file.file, limit: min(file.size, 1 << 20))
            var offset = LogFormat.entriesStart
            while let head = try? window.bytes(offset, EntryHeader.bytes), head.count == EntryHeader.bytes {
                let origin = Identity(head, at: 40)
                if EntryHeader(head, seed: LogFormat.seed(origin)) != nil { return origin }
                offset += LogFormat.alignment
            }
        }
        return nil
    }

    private func lost(_ what: String) -> StoreError {
        StoreError(
            .lostLog,
            """
            \(what). Restore the log from a backup; or start with --accept-lost-log, which moves the session rows aside and \
            goes on with what there is
            """)
    }

    // MARK: A log that is there

    private func open(
        _ files: [Found], _ identity: Identity, remembered: Int64
    ) throws(StoreError) -> Opened {
        let seed = LogFormat.seed(identity)
        var segments: [Segment] = []
        var damages: [LogDamage] = []
        let origins = KnownOrigins()
        for file in files { if let header = file.header { origins.merge(header.table) } }
        for (index, file) in files.enumerated() {
            let isLast = index == files.count - 1
            let segment = Segment(
                directory: path, firstPosition: file.first, header: file.header,
                origins: origins, seed: seed, file: file.file, limit: file.size,
                lastPosition: isLast ? file.first - 1 : files[index + 1].first - 1)
            if !file.isWhole {
                damages.append(
                    LogDamage(kind: .header, file: segment.name, offset: 0, positions: nil, missing: 0))
            }
            if let previous = file.header?.previousFirstPosition, previous > 0,
                !files.contains(where: { $0.first == previous })
            {
                let positions = previous...max(file.first - 1, previous)
                damages.append(
                    LogDamage(
                        kind: .missing, file: LogFormat.fileName(firstPosition: previous), offset: 0,
                        positions: positions, missing: nil))
            }
            if !isLast, let next = files[index + 1].header, next.previousSeal == 0,
                next.previousFirstPosition == file.first
            {
                segment.noteTornEnd()
            }
            segments.append(segment)
        }
        guard let last = segments.last else { throw StoreError(.damaged, "there is no log at \(path)") }
        var tail = try LogTail(last, end: try knownEnd(segments), remembered: remembered)
        damages += tail.damages
        if tail.end.position < remembered {
            guard tail.isUnsound || acceptsLoss else {
                throw lost(
                    "\(path) ends at position \(tail.end.position), but \(remembered) was written")
            }
            if tail.isUnsound {
                // Given once, though lost now: never again.
                tail.end.passOver(remembered - tail.end.position)
            } else {
                // What comes now must not have the name of anything that is gone.
                tail.end.origin = .random()
                tail.isUnsound = true
            }
        }
        // Nothing of the last one could be saved: a new one takes its name.
        let isReplaced = last.firstPosition == tail.end.position + 1
        if tail.isTorn && !isReplaced {
            // Where the next segment begins without the seal of the entry before it, the end was torn.
            tail.end.seal = 0
            last.noteTornEnd()
        }
        if tail.end.origin == .none {
            // Nobody knows who has received what stands there: what comes now gets a name of its own.
            tail.end.origin = .random()
            tail.isUnsound = true
        }
        guard tail.end.places.table.hasRoom(for: tail.end.origin) else { throw .originsFull }
        last.extend(to: tail.limit, lastPosition: tail.end.position)
        guard !readOnly else {
            return Opened(
                directory: path, identity: identity, segments: segments, end: tail.end, appender: nil,
                damages: damages, isNew: false)
        }
        do throws(LogFileError) {
            let appender: LogAppender
            if let header = last.header, !tail.isUnsound, !last.isEmptied {
                let file = PreparedFile(
                    try LogFile(path: last.path, .write, hook: options.writeHook),
                    prepared: last.file.size & ~(LogFormat.blockBytes - 1))
                appender = try LogAppender(
                    directory: path, options: options, file: file, header: header, offset: tail.limit, end: tail.end)
            } else {
                if isReplaced { segments.removeLast() }
                let made = try makeSegment(
                    identity, tail.end, origins, previousFirst: segments.last?.firstPosition ?? 0)
                segments.append(made.segment)
                appender = made.appender
            }
            tail.end.places.table.advance(tail.end.origin, to: 1)
            return Opened(
                directory: path, identity: identity, segments: segments, end: tail.end, appender: appender,
                damages: damages, isNew: false)
        } catch {
            throw error.storeError
        }
    }

    /// What is known of where the last segment begins.
    private func knownEnd(_ segments: [Segment]) throws(StoreError) -> LogAppender.End? {
        guard let last = segments.last else { return nil }
        guard let header = last.header else {
            // Nobody says who stands where but the segments before it.
            return LogAppender.End(
                position: last.firstPosition - 1, seal: 0, origin: .none, places: try placesBefore(segments))
        }
        let isEmptied = header.emptiedThrough > 0
        var end = LogAppender.End(
            position: header.firstPosition - 1, seal: isEmptied ? header.emptiedSeal : header.previousSeal,
            origin: header.origin, places: LogPlaces(table: header.table))
        // As if all of it had been received here: sequences that nobody has are better than some that two have.
        if isEmptied { end.passOver(header.emptiedThrough - end.position) }
        return end
    }

    private func placesBefore(_ segments: [Segment]) throws(StoreError) -> LogPlaces {
        var places = LogPlaces()
        let start = segments.lastIndex { $0.header != nil } ?? 0
        for segment in segments[start...].dropLast() {
            if let header = segment.header { places.table.merge(header.table) }
            if let salvage = try segment.makeSalvage(tell: { _ in }) {
                salvage.account(in: &places)
            } else {
                try segment.account(in: &places)
            }
        }
        return places
    }

    // MARK: A log that is new

    private func make(_ known: KnownLog?) throws(StoreError) -> Opened {
        // Whoever remembers a log does since its first file was durable, whether or not anything is known to be in it.
        if let known, !acceptsLoss {
            throw lost("there is no log at \(path), but there was one, with positions up to \(known.end) or more")
        }
        guard !readOnly else { throw StoreError(.directory, "there is no log at \(path)") }
        if mkdir(path, 0o700) != 0 && errno != EEXIST {
            throw StoreError(.directory, "cannot create \(path): \(String(cString: strerror(errno)))")
        }
        let identity = Identity.random()
        var places = LogPlaces()
        places.table.advance(identity, to: 1)
        let end = LogAppender.End(position: 0, seal: 0, origin: identity, places: places)
        do throws(LogFileError) {
            let made = try makeSegment(identity, end, KnownOrigins(), previousFirst: 0)
            try LogFile.syncDirectory(directory)
            return Opened(
                directory: path, identity: identity, segments: [made.segment], end: end, appender: made.appender,
                damages: [], isNew: true)
        } catch {
            throw error.storeError
        }
    }

    private func makeSegment(
        _ identity: Identity, _ end: LogAppender.End, _ origins: KnownOrigins, previousFirst: Int64
    ) throws(LogFileError) -> (segment: Segment, appender: LogAppender) {
        var table = end.places.table
        table.advance(end.origin, to: 1)
        origins.merge(table)
        let header = SegmentHeader(
            identity: identity, origin: end.origin, table: table, firstPosition: end.position + 1,
            previousSeal: end.seal, previousFirstPosition: previousFirst)
        let name = path + "/" + LogFormat.fileName(firstPosition: header.firstPosition)
        // A damaged file of which nothing could be saved.
        if FileSystem.exists(name) { FileSystem.moveAside(name, as: "damaged") }
        let preparer = LogPreparer(directory: path, options: options)
        let file = try preparer.makeSegment(header)
        let segment = Segment(
            directory: path, firstPosition: header.firstPosition, header: header, origins: origins,
            seed: LogFormat.seed(identity), file: try ReadFile(path: name), limit: LogFormat.entriesStart,
            lastPosition: end.position)
        let appender = try LogAppender(
            directory: path, options: options, file: file, header: header, offset: LogFormat.entriesStart, end: end)
        return (segment, appender)
    }
}

/// Where the newest segment ends, and whether it ends as it should.
struct LogTail {
    /// After the last row of which anything is known.
    var end: LogAppender.End
    /// Where the entries end, or, where the segment is not sound, the file.
    private(set) var limit: Int
    /// Something in it is not as it was written: the segment stays as it is, and nothing is added to it.
    var isUnsound = false
    /// It is not, because of one commit that nobody was told of: a power cut has torn it.
    private(set) var isTorn = false
    private(set) var damages: [LogDamage] = []

    /// What was known where the segment begins.
    private let begin: LogPlaces

    /// - Parameters:
    ///   - end: what is known of the place where the segment begins.
    ///   - remembered: a position up to which everything was answered.
    init(_ segment: Segment, end known: LogAppender.End?, remembered: Int64) throws(StoreError) {
        end =
            known
            ?? LogAppender.End(
                position: segment.firstPosition - 1, seal: 0, origin: .none, places: LogPlaces())
        limit = LogFormat.entriesStart
        begin = end.places
        if segment.isEmptied { return }
        var walk = segment.walk(to: segment.firstPosition)
        do throws(WalkError<Never>) {
            walking: while true {
                let before = walk.place
                let item: SegmentWalk.Item
                do throws(StoreError) { item = try walk.next() } catch { throw .log(error) }
                switch item {
                case .end: return
                case .unsound: break walking
                case .entry(let header, let offset):
                    segment.noteEntry(before)
                    guard try walk.forEachRow(of: header, at: offset, visit: { (_) throws(Never) in true }) else {
                        break walking
                    }
                    end.pass(header)
                    limit = offset + header.stride
                }
            }
        } catch {
            if case .log(let error) = error { throw error }
        }
        try save(segment, remembered)
    }

    private mutating func save(_ segment: Segment, _ remembered: Int64) throws(StoreError) {
        isUnsound = true
        let size = segment.file.size
        segment.origins.merge(end.places.table)
        // Not more rows than there is room for.
        let highest = segment.firstPosition + Int64(size / RowHeader.bytes)
        let salvage = try SegmentSalvage(
            segment.file, limit: size, seed: segment.seed, positions: segment.firstPosition...highest,
            soundThrough: end.position, origins: segment.origins.now)
        segment.keep(salvage)
        _ = segment.noteTold()
        let soundEnd = end.position
        let unsoundStart = limit
        limit = size
        for entry in salvage.entries where entry.header.flags.contains(.own) { end.origin = entry.header.origin }
        if let last = salvage.entries.last, last.header.lastPosition > end.position {
            end.position = last.header.lastPosition
            end.seal = last.header.seal
        }
        end.position = max(end.position, salvage.rows.last?.position ?? 0)
        // From the start: what stands before the damage is sound as well.
        end.places = begin
        salvage.account(in: &end.places)
        // One commit at most, and nothing behind it: a power cut leaves that, too.
        isTorn = salvage.isTornOnly && remembered <= soundEnd && segment.header != nil
        let missing = salvage.missing(from: segment.firstPosition, through: end.position)
        damages.append(
            LogDamage(
                kind: isTorn ? .end : .unsound, file: segment.name, offset: unsoundStart, positions: missing?.range,
                missing: missing?.count))
    }
}

extension LogAppender.End {
    /// Advances over a sound entry.
    mutating func pass(_ header: EntryHeader) {
        position = header.lastPosition
        seal = header.seal
        places.table.advance(header.origin, to: header.lastSequence + 1)
        if header.flags.contains(.late) {
            places.noteFound(header.firstSequence...header.lastSequence, of: header.origin)
        }
        if header.flags.contains(.own) { origin = header.origin }
    }

    /// Advances over rows that are lost, as if all of them had been received here.
    mutating func passOver(_ count: Int64) {
        guard count > 0 else { return }
        position += count
        guard origin != .none else { return }
        let next = places.table.next(origin)
        places.noteMissing(next...next + count - 1, of: origin)
        places.table.advance(origin, to: next + count)
    }
}
