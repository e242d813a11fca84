import SessionModel

@testable import SessionStore

extension FuzzTarget {
    /// Whatever is in a journal's file: what is read of it is ascending, whole, and within the file.
    ///
    /// The bytes make up a file of small entries, each with a right checksum, or else with what the bytes say: four bytes
    /// an entry for what its header claims, then its rows.
    @Sendable static func journal(_ bytes: UnsafeRawBufferPointer) {
        let logId = String(repeating: "a", count: JournalLayout.logIdBytes)
        var file: [UInt8] = []
        var rest = bytes[...]
        while rest.count >= 8, file.count < 16 * JournalLayout.blockBytes {
            let claims = Array(rest.prefix(8))
            rest = rest.dropFirst(8)
            let rows = Array(rest.prefix(Int(claims[3])))
            rest = rest.dropFirst(rows.count)
            let header = JournalLayout.Header(
                generation: UInt64(claims[0]), firstPosition: Int64(claims[1]) << Int64(claims[4] & 63),
                count: Int(claims[2]), rowsBytes: rows.count)
            var entry = [UInt8](repeating: 0, count: header.entryBytes)
            entry.replaceSubrange(JournalLayout.headerBytes..<JournalLayout.headerBytes + rows.count, with: rows)
            entry.withUnsafeMutableBytes { JournalLayout.seal($0, header, logId: Array(logId.utf8)) }
            // Some of them are damaged.
            if claims[5] & 7 == 7 { entry[Int(claims[6])] ^= claims[7] }
            file += entry
        }
        let recovered: JournalRecovery
        do {
            recovered = try JournalRecovery(size: file.count, logId: logId) { offset, count in
                precondition(offset >= 0 && count >= 0 && offset + count <= file.count, "outside of the file")
                return Array(file[offset..<offset + count])
            }
        } catch {
            preconditionFailure("reading does not fail")
        }
        var last: Int64 = 0
        for entry in recovered.entries {
            precondition(entry.firstPosition > last, "not ascending")
            precondition(entry.isWhole, "rows are missing")
            entry.forEach { row in
                precondition(row.position > last, "not ascending")
                last = row.position
                _ = row.event()
            }
            precondition(last == entry.lastPosition, "miscounted")
        }
    }
}
