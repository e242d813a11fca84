internal import Base

extension Segment {
    /// Visits the sound rows with positions above `position`, up to `last`, in order.
    ///
    /// - Parameters:
    ///   - all: also those of which nothing is left but their place.
    ///   - tell: hears of what is not as it was written.
    /// - Returns: whether to go on with the next segment: false where `visit` has said that it is enough.
    func read<Failure: Error>(
        after position: Int64, through last: Int64, all: Bool = false, tell: (LogDamage) -> Void,
        visit: (LogRow) throws(Failure) -> Bool
    ) throws(WalkError<Failure>) -> Bool {
        if isEmptied { return true }
        // What stands behind the beginning of the next segment is not of this history.
        let last = min(last, lastPosition)
        if let salvage { return try read(salvage, after: position, through: last, all, visit: visit) }
        var reached = position
        var goesOn = true
        var walk = walk(to: position + 1)
        func admit(_ row: LogRow) throws(Failure) -> Bool {
            guard row.position > position else { return true }
            guard row.position <= last else { return false }
            goesOn = try visit(row)
            reached = row.position
            return goesOn
        }
        while goesOn {
            let before = walk.place
            let item: SegmentWalk.Item
            do throws(StoreError) { item = try walk.next() } catch { throw .log(error) }
            switch item {
            case .end where before.position > last: return true
            case .entry(let header, let offset):
                if header.firstPosition > last { return true }
                noteEntry(before)
                if header.lastPosition <= position { continue }
                if try walk.forEachRow(of: header, at: offset, all: all, visit: admit) { continue }
                fallthrough
            case .end, .unsound:
                let made: SegmentSalvage?
                do throws(StoreError) { made = try makeSalvage(tell: tell) } catch { throw .log(error) }
                if let made { return try read(made, after: reached, through: last, all, visit: visit) }
                // It was just being written over.
                return try read(after: reached, through: last, all: all, tell: tell, visit: visit)
            }
        }
        return goesOn
    }

    private func read<Failure: Error>(
        _ salvage: SegmentSalvage, after position: Int64, through last: Int64, _ all: Bool,
        visit: (LogRow) throws(Failure) -> Bool
    ) throws(WalkError<Failure>) -> Bool {
        var window = ReadWindow(file, limit: limit)
        let table = header?.table
        for row in salvage.rows[salvage.index(after: position)...] {
            guard row.position <= last else { return true }
            if row.isGone && !all { continue }
            let bytes: UnsafeRawBufferPointer
            do throws(StoreError) { bytes = try window.bytes(row.offset, row.bytes) } catch { throw .log(error) }
            // Verified once more: it may have been erased, or damaged, since.
            guard let found = LogRow.find(bytes, 0, in: row.position...row.position, seed: seed) else { continue }
            let entry = salvage.entry(holding: row.position)?.header
            let read = LogRow(
                found, origin: row.origin, sequence: row.sequence, seal: entry?.seal ?? 0,
                isLate: entry?.flags.contains(.late) ?? (row.sequence < table?.next(row.origin) ?? 0), at: row.offset)
            if read.isGone && !all { continue }
            do throws(Failure) {
                guard try visit(read) else { return false }
            } catch { throw .visitor(error) }
        }
        return true
    }

    /// Finds out what is sound, once, and tells what is not there.
    /// - Returns: nil where everything is sound.
    func makeSalvage(tell: (LogDamage) -> Void) throws(StoreError) -> SegmentSalvage? {
        let made = try overwriting.withLock { (_) throws(StoreError) -> SegmentSalvage? in
            if isEmptied { return nil }
            if let salvage { return salvage }
            // In this order: what is added meanwhile is not missing.
            let last = lastPosition
            let limit = limit
            let sound = try soundThrough(limit)
            if sound.isAll, sound.position >= last { return nil }
            let made = try SegmentSalvage(
                file, limit: limit, seed: seed, positions: firstPosition...max(last, firstPosition),
                soundThrough: sound.position, origins: origins.now)
            keep(made)
            return made
        }
        guard let made, !(endsTorn && made.isTornOnly), noteTold() else { return made }
        let missing = made.missing(from: firstPosition, through: lastPosition)
        tell(
            LogDamage(
                kind: missing == nil ? .header : .unsound, file: name, offset: 0, positions: missing?.range,
                missing: missing?.count ?? 0))
        return made
    }

    /// The last position before anything that is not sound, and whether there is nothing of that kind.
    private func soundThrough(_ limit: Int) throws(StoreError) -> (position: Int64, isAll: Bool) {
        var walk = SegmentWalk(
            file, limit: limit, seed: seed,
            from: SegmentWalk.Place(position: firstPosition, previousSeal: header?.previousSeal))
        while true {
            let before = walk.place
            do throws(WalkError<Never>) {
                let item: SegmentWalk.Item
                do throws(StoreError) { item = try walk.next() } catch { throw .log(error) }
                switch item {
                case .end: return (before.position - 1, true)
                case .unsound: return (before.position - 1, false)
                case .entry(let header, let offset):
                    guard try walk.forEachRow(of: header, at: offset, visit: { (_) throws(Never) in true }) else {
                        return (before.position - 1, false)
                    }
                }
            } catch {
                if case .log(let error) = error { throw error }
            }
        }
    }

    /// The sound entry that holds a position; nil where there is none, or no sound one.
    func entry(at position: Int64) throws(StoreError) -> (header: EntryHeader, offset: Int)? {
        if isEmptied { return nil }
        var walk = walk(to: position)
        while salvage == nil {
            let before = walk.place
            switch try walk.next() {
            case .end: return nil
            case .unsound: if try makeSalvage(tell: { _ in }) == nil { walk = self.walk(to: position) }
            case .entry(let header, let offset):
                noteEntry(before)
                if header.lastPosition >= position { return (header, offset) }
            }
        }
        return salvage?.entry(holding: position).map { ($0.header, $0.offset) }
    }
}

extension EntryHeader {
    var positions: ClosedRange<Int64> { firstPosition...lastPosition }
}
