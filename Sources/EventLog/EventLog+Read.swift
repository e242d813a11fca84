package import Base

extension EventLog {
    /// Visits the rows behind `position`, up to `last`, in order, until `visit` returns false. What was erased is passed
    /// over; so is what is damaged, and that is said. Constant memory; blocks.
    /// - Returns: the position up to which the log has been looked through.
    @discardableResult
    package func read<Failure: Error>(
        after position: Int64, through last: Int64 = .max, visit: (LogRow) throws(Failure) -> Bool
    ) throws(LogReadError<Failure>) -> Int64 {
        // What is durable now.
        let last = min(last, lastPosition)
        guard position < last else { return max(position, min(last, position)) }
        let segments = segments.withLock { $0 }
        let first = segments.lastIndex { $0.firstPosition <= position + 1 } ?? 0
        var reached = position
        for segment in segments[first...] {
            if segment.firstPosition > last { break }
            let goesOn: Bool
            do throws(WalkError<Failure>) {
                goesOn = try segment.read(after: position, through: last, tell: tell) { (row) throws(Failure) in
                    reached = row.position
                    return try visit(row)
                }
            } catch {
                switch error {
                case .log(let error): throw .log(error)
                case .visitor(let error): throw .visitor(error)
                }
            }
            if !goesOn { return reached }
        }
        return last
    }

    /// One row; nil where there is none (any more). Blocks.
    package func row<Value>(at position: Int64, visit: (LogRow) -> Value) throws(StoreError) -> Value? {
        var value: Value?
        do throws(LogReadError<Never>) {
            try read(after: position - 1, through: position) { (row) throws(Never) in
                value = visit(row)
                return false
            }
        } catch {
            if case .log(let error) = error { throw error }
        }
        return value
    }

    /// The seal of the entry that holds a position: it tells this history from any other, also of the same log that was
    /// set back and continued. nil where the log does not reach so far, or nobody can say any more; 0 for position 0.
    package func seal(at position: Int64) throws(StoreError) -> UInt64? {
        if position == 0 { return 0 }
        let end = end.withLock { $0 }
        guard position > 0, position <= end.position else { return nil }
        if position >= end.sealedFrom { return end.seal }
        let segments = segments.withLock { $0 }
        guard let segment = segments.last(where: { $0.firstPosition <= position }) else { return nil }
        if let header = segment.header, header.emptiedThrough > 0 {
            return position == header.emptiedThrough ? header.emptiedSeal : nil
        }
        return try segment.entry(at: position)?.header.seal
    }

    /// Reads every byte of the log, and tells what is damaged.
    /// - Parameter progress: the position reached, now and then; the reading ends where it returns false.
    package func verify(progress: (_ position: Int64) -> Bool = { _ in true }) throws(StoreError) -> LogVerification {
        var result = LogVerification()
        let last = lastPosition
        var seal: UInt64?
        result.damagedFiles = missingFiles
        for segment in segments.withLock({ $0 }) where segment.firstPosition <= last {
            var goesOn = true
            let before = result.rows
            do throws(WalkError<Never>) {
                _ = try segment.read(after: 0, through: last, tell: tell) { (_) throws(Never) in
                    result.rows += 1
                    if result.rows % 4_096 == 0 { goesOn = progress(segment.firstPosition + result.rows - before) }
                    return goesOn
                }
            } catch {
                if case .log(let error) = error { throw error }
            }
            if segment.isDamaged { result.damagedFiles.append(segment.name) }
            if let seal, let header = segment.header, header.previousSeal != seal {
                tell(
                    LogDamage(
                        kind: .missing, file: segment.name, offset: 0, positions: nil, missing: nil))
                result.damagedFiles.append(segment.name)
            }
            seal = !segment.isSalvaged ? try segment.lastSeal() : nil
            guard goesOn, progress(min(segment.lastPosition, last)) else { break }
        }
        if !result.isSound { try accountMissing() }
        result.missingRows = figures.withLock { $0.missingRows }
        return result
    }
}

extension EventLog {
    /// Segments that others name as the one before them, and that are not there.
    private var missingFiles: [String] {
        let segments = segments.withLock { $0 }
        let positions = Set(segments.map(\.firstPosition))
        return segments.compactMap { $0.header?.previousFirstPosition }
            .filter { $0 > 0 && !positions.contains($0) }
            .map { LogFormat.fileName(firstPosition: $0) }
    }
}

extension Segment {
    /// The seal of the last entry, or of the one before the segment; nil where nobody can say.
    fileprivate func lastSeal() throws(StoreError) -> UInt64? {
        guard let header else { return nil }
        if header.emptiedThrough > 0 { return header.emptiedSeal }
        return lastPosition < firstPosition ? header.previousSeal : try entry(at: lastPosition)?.header.seal
    }
}

package enum LogReadError<Visitor: Error>: Error {
    case log(StoreError)
    case visitor(Visitor)
}

/// What a reading of the whole log has found.
package struct LogVerification: Sendable, Equatable {
    /// Rows that are as they were written, without those that were erased.
    package var rows: Int64 = 0
    /// Files of which not everything is as it was written.
    package var damagedFiles: [String] = []
    /// Rows that are known to be lost since the log was opened.
    package var missingRows = 0

    package var isSound: Bool { damagedFiles.isEmpty }

    package init() {}
}
