internal import Base

extension Segment {
    /// Visits the sound rows with positions above `position`, up to `last`, in order; what was erased is passed over.
    ///
    /// - Parameter tell: hears of what is not as it was written.
    /// - Returns: whether to go on with the next segment: false where `visit` has said that it is enough.
    func read<Failure: Error>(
        after position: Int64, through last: Int64, tell: (LogDamage) -> Void,
        visit: (LogRow) throws(Failure) -> Bool
    ) throws(WalkError<Failure>) -> Bool {
        if isEmptied { return true }
        if let salvage { return try read(salvage, after: position, through: last, visit: visit) }
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
            case .end where before.position > min(lastPosition, last): return true
            case .entry(let header, let offset):
                if header.firstPosition > last { return true }
                noteEntry(before)
                if header.lastPosition <= position { continue }
                if try walk.forEachRow(of: header, at: offset, visit: admit) { continue }
                fallthrough
            case .end, .unsound:
                let made: SegmentSalvage
                do throws(StoreError) { made = try makeSalvage(tell: tell) } catch { throw .log(error) }
                return try read(made, after: reached, through: last, visit: visit)
            }
        }
        return goesOn
    }

    private func read<Failure: Error>(
        _ salvage: SegmentSalvage, after position: Int64, through last: Int64,
        visit: (LogRow) throws(Failure) -> Bool
    ) throws(WalkError<Failure>) -> Bool {
        var window = ReadWindow(file, limit: limit)
        for row in salvage.rows[salvage.index(after: position)...] {
            guard row.position <= last else { return true }
            if row.isErased { continue }
            let bytes: UnsafeRawBufferPointer
            do throws(StoreError) { bytes = try window.bytes(row.offset, row.bytes) } catch { throw .log(error) }
            let entry = salvage.entry(at: row.position)
            // Verified once more: it may have been erased, or damaged, since.
            guard
                let read = LogRow(
                    bytes, 0, in: row.position...row.position, seed: seed, of: entry?.header, at: row.offset),
                !read.isErased
            else { continue }
            do throws(Failure) {
                guard try visit(read) else { return false }
            } catch { throw .visitor(error) }
        }
        return true
    }

    /// Finds out what is sound, once, and tells what is not there.
    func makeSalvage(tell: (LogDamage) -> Void) throws(StoreError) -> SegmentSalvage {
        if let salvage { return salvage }
        let highest = max(lastPosition, firstPosition)
        let made = try SegmentSalvage(file, limit: limit, seed: seed, positions: firstPosition...highest)
        guard keep(made) else { return made }
        let missing = made.missing(from: firstPosition, through: lastPosition)
        tell(
            LogDamage(
                kind: missing == nil ? .header : .unsound, file: name, offset: 0, positions: missing?.range,
                missing: missing?.count ?? 0))
        return made
    }

    /// The sound entry that holds a position; nil where there is none, or no sound one.
    func entry(at position: Int64) throws(StoreError) -> (header: EntryHeader, offset: Int)? {
        if isEmptied { return nil }
        var walk = walk(to: position)
        while salvage == nil {
            let before = walk.place
            switch try walk.next() {
            case .end: return nil
            case .unsound: _ = try makeSalvage(tell: { _ in })
            case .entry(let header, let offset):
                noteEntry(before)
                if header.lastPosition >= position { return (header, offset) }
            }
        }
        guard let entry = salvage?.entry(at: position), entry.header.lastPosition >= position else { return nil }
        return (entry.header, entry.offset)
    }
}

extension EntryHeader {
    var positions: ClosedRange<Int64> { firstPosition...lastPosition }
}
