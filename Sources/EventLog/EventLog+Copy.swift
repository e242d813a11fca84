package import Base

extension EventLog {
    /// The name of the directory that has the segments, in the data directory.
    package static let directoryName = LogFormat.directoryName

    /// Copies what is durable now into another directory, which is there and empty; appends go on meanwhile. Nothing is
    /// verified: what is damaged is copied as it is. Blocks.
    ///
    /// The caller keeps erasures away: a copy could have half of a step.
    /// - Parameter progress: after each file; what it throws ends the copying.
    /// - Returns: the files' names with what they hold.
    package func copy(
        to directory: String, progress: (_ done: Int64, _ total: Int64) throws(FileCopyError) -> Void
    ) throws(FileCopyError) -> [(name: String, summary: FileSummary)] {
        let segments = segments.withLock { $0 }
        let total = segments.reduce(0) { $0 + Int64($1.limit) }
        var done: Int64 = 0
        var copies: [(String, FileSummary)] = []
        for segment in segments {
            // The entries of the newest one end at its limit; in whole blocks, as the log writes over them.
            let summary = try FileSystem.copy(
                segment.file.descriptor, to: FileSystem.join(directory, segment.name), through: Int64(segment.limit),
                paddedTo: Int64(LogFormat.blockBytes))
            copies.append((segment.name, summary))
            done += summary.bytes
            try progress(done, max(total, done))
        }
        return copies
    }
}
