package import Base
internal import CLinux
internal import Dispatch
internal import Glibc

/// What becomes of one row.
package struct RowErasure: Sendable {
    package let position: Int64
    /// nil: nothing stays but the position. Else not longer than what is there; spaces fill what is left.
    package let body: [UInt8]?

    package init(position: Int64, body: [UInt8]?) {
        self.position = position
        self.body = body
    }
}

/// Bytes to be written over others, in place. Whoever has them can write them again, however far a crash has let it come.
package struct LogPatches: Sendable, Equatable {
    struct Patch: Equatable {
        let segment: Int64
        let offset: Int
        let bytes: [UInt8]
        /// So many zeros follow the bytes.
        let zeros: Int
    }

    var patches: [Patch] = []

    package var isEmpty: Bool { patches.isEmpty }

    /// For the ledger. Nothing that is erased is in it.
    package var encoded: [UInt8] {
        var output: [UInt8] = []
        for patch in patches {
            for word in [patch.segment, Int64(patch.offset), Int64(patch.bytes.count), Int64(patch.zeros)] {
                withUnsafeBytes(of: word.littleEndian) { output += $0 }
            }
            output += patch.bytes
        }
        return output
    }

    /// Reads what `encoded` made; nil where that is damaged.
    package init?(decoding bytes: [UInt8]) {
        var offset = 0
        func word() -> Int? {
            guard offset + 8 <= bytes.count else { return nil }
            defer { offset += 8 }
            let value = bytes.withUnsafeBytes { $0.integer(offset, as: UInt64.self) }
            return Int(exactly: value)
        }
        while offset < bytes.count {
            guard let segment = word(), let place = word(), let count = word(), let zeros = word(),
                count <= bytes.count - offset, zeros <= 1 << 30
            else { return nil }
            patches.append(
                Patch(
                    segment: Int64(segment), offset: place, bytes: Array(bytes[offset..<offset + count]), zeros: zeros))
            offset += count
        }
    }

    init() {}

    /// Writes the patches to the files of a log that nobody has opened: what a crash has left unfinished. Repeating it is
    /// harmless.
    package func write(inDirectory directory: String) throws(StoreError) {
        let path = FileSystem.join(directory, LogFormat.directoryName)
        for segment in Set(patches.map(\.segment)).sorted() {
            let name = FileSystem.join(path, LogFormat.fileName(firstPosition: segment))
            // A segment that is gone has nothing that would have to be erased.
            guard FileSystem.exists(name) else { continue }
            do throws(LogFileError) {
                let ofSegment = patches.filter { $0.segment == segment }
                guard try Self.fit(ofSegment, name) else { continue }
                try LogPatches.write(ofSegment[...], to: name, hook: nil)
            } catch {
                throw StoreError(.unavailable, "an erasure cannot be finished: \(error)")
            }
        }
    }

    /// Whether they were made for this log.
    package func fit(_ log: EventLog) -> Bool {
        log.segments.withLock { $0 }.allSatisfy { segment in
            let ofSegment = patches.filter { $0.segment == segment.firstPosition }
            return segment.isEmptied || ((try? Self.fit(ofSegment, segment.path)) ?? false)
        }
    }

    /// Whether these are the bytes that the patches were made for, or those that they have made of them: not those of
    /// another log, nor of another history of this one.
    private static func fit(_ patches: [Patch], _ path: String) throws(LogFileError) -> Bool {
        let file = try ReadFile(path: path)
        for patch in patches {
            // Of an entry all but its checksums stays, of a row its position and length.
            let isEntry = patch.bytes.starts(with: EntryHeader.magicBytes) && patch.bytes.count == EntryHeader.bytes
            let same = isEntry ? [0..<20, 24..<72] : [4..<12, 21..<29]
            guard patch.bytes.count >= RowHeader.bytes else { return false }
            var found = [UInt8](repeating: 0, count: patch.bytes.count)
            guard pread(file.descriptor, &found, found.count, off_t(patch.offset)) == found.count,
                same.allSatisfy({ found[$0] == patch.bytes[$0] })
            else { return false }
        }
        return true
    }

    /// Writes patches of one segment, and syncs.
    static func write(
        _ patches: ArraySlice<Patch>, to path: String, hook: LogOptions.WriteHook?
    ) throws(LogFileError) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw LogFileError(code: errno, action: "opening \(path)") }
        defer { Glibc.close(descriptor) }
        var status = stat()
        let size = fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
        for patch in patches {
            let bytes = patch.bytes + [UInt8](repeating: 0, count: patch.zeros)
            // A segment that was emptied meanwhile does not grow again.
            guard patch.offset + bytes.count <= size else { continue }
            if let code = hook?(.write), code != 0 { throw LogFileError(code: code, action: "writing the log") }
            var done = 0
            while done < bytes.count {
                let count = bytes.withUnsafeBytes {
                    pwrite(
                        descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done, off_t(patch.offset + done))
                }
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw LogFileError(code: errno, action: "writing \(path)") }
                done += count
            }
        }
        if let code = hook?(.sync), code != 0 { throw LogFileError(code: code, action: "syncing the log") }
        guard fdatasync(descriptor) == 0 else { throw LogFileError(code: errno, action: "syncing \(path)") }
    }
}

/// Erasing rows in place. The intent (`plan`) must be durable elsewhere before `apply`, and may go after it; a start
/// applies again what it finds. Rows are as long as before, so nothing moves; seals stay, so the chain holds.
extension EventLog {
    /// What has to be written to erase rows; nothing is changed yet. Erasures come one after the other. Blocks.
    /// - Parameter rows: in ascending order.
    package func plan(_ rows: [RowErasure]) throws(StoreError) -> LogPatches {
        var result = LogPatches()
        var rest = rows[...]
        for segment in segments.withLock({ $0 }) {
            let ofSegment = rest.prefix { $0.position <= segment.lastPosition }
            rest = rest.dropFirst(ofSegment.count)
            guard !ofSegment.isEmpty, !segment.isEmptied else { continue }
            if try !add(ofSegment, of: segment, to: &result) {
                // nil: they are not there.
                if let salvage = try segment.makeSalvage(tell: tell) {
                    try add(ofSegment, of: segment, salvage, to: &result)
                }
            }
        }
        return result
    }

    /// - Returns: false where the segment is not sound; then nothing was added.
    private func add(
        _ rows: ArraySlice<RowErasure>, of segment: Segment, to result: inout LogPatches
    ) throws(StoreError) -> Bool {
        guard segment.salvage == nil, let first = rows.first else { return false }
        var patches = LogPatches()
        var rest = rows
        var walk = segment.walk(to: first.position)
        while let next = rest.first {
            let before = walk.place
            switch try walk.next() {
            case .end, .unsound: return false
            case .entry(let header, let offset):
                segment.noteEntry(before)
                guard next.position <= header.lastPosition else { continue }
                let ofEntry = rest.prefix { $0.position <= header.lastPosition }
                rest = rest.dropFirst(ofEntry.count)
                let entry = try walk.bytes(of: header, at: offset)
                guard add(ofEntry, of: header, entry, segment: segment.firstPosition, at: offset, to: &patches) else {
                    return false
                }
            }
        }
        result.patches += patches.patches
        return true
    }

    /// Of a damaged segment: its rows alone. It stays told that it is damaged.
    private func add(
        _ rows: ArraySlice<RowErasure>, of segment: Segment, _ salvage: SegmentSalvage, to result: inout LogPatches
    ) throws(StoreError) {
        var window = ReadWindow(segment.file, limit: segment.limit)
        for erasure in rows {
            guard let row = salvage.row(at: erasure.position) else { continue }
            let patch = patch(erasure, RowHeader(try window.bytes(row.offset, RowHeader.bytes)))
            result.patches.append(
                LogPatches.Patch(
                    segment: segment.firstPosition, offset: row.offset, bytes: patch.bytes, zeros: patch.zeros))
        }
    }

    private func add(
        _ rows: ArraySlice<RowErasure>, of header: EntryHeader, _ entry: UnsafeRawBufferPointer, segment: Int64,
        at offset: Int,
        to result: inout LogPatches
    ) -> Bool {
        var changed = header
        var checksum = RowsChecksum(seed: seed)
        var start = EntryHeader.bytes
        var position = header.firstPosition
        var rest = rows
        while position <= header.lastPosition, start + RowHeader.bytes <= entry.count {
            let row = RowHeader(entry.slice(start, RowHeader.bytes))
            // An erasure that a crash has left in the middle may have left its checksum wrong.
            guard row.bodyBytes <= entry.count - start - RowHeader.bytes,
                row.positionLow == UInt32(truncatingIfNeeded: position)
            else { return false }
            if let erasure = rest.first, erasure.position == position {
                rest.removeFirst()
                let patch = patch(erasure, row)
                result.patches.append(
                    LogPatches.Patch(
                        segment: segment, offset: offset + start, bytes: patch.bytes, zeros: patch.zeros))
                checksum.add(patch.checksum)
            } else {
                checksum.add(row.checksum)
            }
            start += RowHeader.bytes + row.bodyBytes
            position += 1
        }
        guard position > header.lastPosition else { return false }
        changed.rowsChecksum = checksum.value
        var bytes = [UInt8](repeating: 0, count: EntryHeader.bytes)
        bytes.withUnsafeMutableBytes { changed.write(to: $0, seed: seed) }
        result.patches.append(LogPatches.Patch(segment: segment, offset: offset, bytes: bytes, zeros: 0))
        return true
    }

    /// The row as it is to be, and its checksum.
    private func patch(
        _ erasure: RowErasure, _ row: RowHeader
    ) -> (bytes: [UInt8], zeros: Int, checksum: UInt32) {
        var whole = [UInt8](repeating: 0, count: RowHeader.bytes + row.bodyBytes)
        let isErased = erasure.body == nil
        if let body = erasure.body?.prefix(row.bodyBytes) {
            whole.replaceSubrange(RowHeader.bytes..<RowHeader.bytes + body.count, with: body)
            for index in RowHeader.bytes + body.count..<whole.count { whole[index] = UInt8(ascii: " ") }
        }
        let sum = whole.withUnsafeMutableBytes { bytes in
            RowHeader.seal(
                bytes,
                RowHeader.Name(
                    position: erasure.position, originTag: row.originTag, sequence: Int64(row.sequenceLow)),
                receivedMicroseconds: isErased ? 0 : row.receivedMicroseconds,
                source: isErased ? RowHeader.sourceErased : row.source, seed: seed)
        }
        guard isErased else { return (bytes: whole, zeros: 0, checksum: sum) }
        whole.removeLast(row.bodyBytes)
        return (bytes: whole, zeros: row.bodyBytes, checksum: sum)
    }

    /// What has to be written to clear everything that is known not to be sound: nobody can say what is in it. Blocks.
    package func planUnsound() throws(StoreError) -> LogPatches {
        var result = LogPatches()
        for segment in segments.withLock({ $0 }) where !segment.isEmptied {
            guard segment.isSalvaged, let salvage = try segment.makeSalvage(tell: tell) else { continue }
            // Without a header of its own, the first block may hold what stood in another one.
            let start = segment.header == nil ? 0 : LogFormat.entriesStart
            for range in salvage.unsoundBytes(from: start, end: segment.limit) {
                result.patches.append(
                    LogPatches.Patch(
                        segment: segment.firstPosition, offset: range.lowerBound, bytes: [], zeros: range.count))
            }
        }
        return result
    }

    /// Writes patches (again), and returns when they would survive a power cut. Repeating it is harmless. Blocks; not on
    /// the log's queue.
    package func apply(_ patches: LogPatches) throws(StoreError) {
        try queue.sync { Result { () throws(StoreError) in try write(patches) } }.get()
        // What looked damaged may have been half written.
        let touched = Set(patches.patches.map(\.segment))
        for segment in segments.withLock({ $0 }) where touched.contains(segment.firstPosition) {
            segment.forgetSalvage()
        }
    }

    /// The same, on the log's queue: nothing is appended between what the caller has seen and the writing.
    package func write(_ patches: LogPatches) throws(StoreError) {
        dispatchPrecondition(condition: .onQueue(queue))
        try proveEndIfDoubtful()
        // By their paths: they must lead to what is read.
        try restoreIfMoved()
        let segments = segments.withLock { $0 }
        var rest = patches.patches[...]
        while let first = rest.first {
            let ofSegment = rest.prefix { $0.segment == first.segment }
            rest = rest.dropFirst(ofSegment.count)
            guard let segment = segments.first(where: { $0.firstPosition == first.segment }), !segment.isEmptied else {
                continue
            }
            do throws(LogFileError) {
                try stall.during { () throws(LogFileError) in
                    try write(ofSegment, to: segment, isLast: segment === segments.last)
                }
            } catch {
                throw StoreError(.unavailable, "rows of the log cannot be erased: \(error)")
            }
        }
    }

    private func write(
        _ patches: ArraySlice<LogPatches.Patch>, to segment: Segment, isLast: Bool
    ) throws(LogFileError) {
        if isLast {
            for patch in patches {
                let bytes = patch.bytes + [UInt8](repeating: 0, count: patch.zeros)
                bytes.withUnsafeBytes { onQueue.appender?.overwrite($0, at: patch.offset) }
            }
        }
        try segment.overwriting.withLock { (_) throws(LogFileError) in
            try LogPatches.write(patches, to: segment.path, hook: options.writeHook)
        }
    }

    /// Removes files that were kept aside because something was wrong with them: nobody can say who is named in them.
    package func removeAside() {
        for name in FileSystem.names(in: directory)
        where name.hasSuffix(".restoring") || name.contains(".damaged-") || name.contains(".replaced-") {
            FileSystem.remove(directory + "/" + name)
        }
    }

    /// Gives back the room of whole segments of which no row is left, but for the one in use. Blocks; not on the log's
    /// queue.
    /// - Parameter positions: only segments that hold one of these are looked at.
    package func removeEmptySegments(holding positions: [Int64]) throws(StoreError) {
        let segments = segments.withLock { $0 }
        for segment in segments.dropLast() where !segment.isEmptied {
            guard let header = segment.header,
                positions.contains(where: { segment.firstPosition <= $0 && $0 <= segment.lastPosition }),
                try !segment.hasRows()
            else { continue }
            var emptied = header
            emptied.emptiedThrough = segment.lastPosition
            emptied.emptiedSeal = try segment.entry(at: segment.lastPosition)?.header.seal ?? header.previousSeal
            try queue.sync {
                Result { () throws(StoreError) in
                    try restoreIfMoved()
                    do throws(LogFileError) {
                        try segment.empty(emptied, hook: options.writeHook)
                    } catch {
                        throw StoreError(.unavailable, "a segment cannot be emptied: \(error)")
                    }
                }
            }.get()
        }
    }
}

extension Segment {
    /// Whether any row is left, or anything that is not sound.
    fileprivate func hasRows() throws(StoreError) -> Bool {
        var found = false
        do throws(WalkError<Never>) {
            _ = try read(after: 0, through: .max, tell: { _ in found = true }) { (_) throws(Never) in
                found = true
                return false
            }
        } catch {
            if case .log(let error) = error { throw error }
        }
        return found
    }

    /// The header first: a file that is cut but does not say so would be a damaged one.
    fileprivate func empty(_ header: SegmentHeader, hook: LogOptions.WriteHook?) throws(LogFileError) {
        try overwriting.withLock { (_) throws(LogFileError) in try emptyFile(header, hook) }
    }

    private func emptyFile(_ header: SegmentHeader, _ hook: LogOptions.WriteHook?) throws(LogFileError) {
        let file = try LogFile(path: path, .write, hook: hook)
        var buffer = AlignedBuffer()
        let block = buffer.reserve(LogFormat.blockBytes)
        block.initializeMemory(as: UInt8.self, repeating: 0)
        header.write(to: block)
        try file.write(UnsafeRawBufferPointer(block), at: 0)
        try file.sync()
        becomeEmptied(header)
        guard ftruncate(file.descriptor, off_t(LogFormat.entriesStart)) == 0, fsync(file.descriptor) == 0 else {
            throw LogFileError(code: errno, action: "emptying \(name)")
        }
    }
}
