internal import Base
internal import EventLog
internal import Ledger

/// What lies in a data directory, by name.
enum DataDirectoryFiles {
    /// What a file system puts into its root, where that is the data directory.
    private static let foreign = ["lost+found"]

    /// Whether a path is a data directory, sound or not: somebody has begun one there. Changes nothing.
    static func isDataDirectory(_ path: String) -> Bool {
        [EventLog.directoryName, Ledger.fileName].contains { FileSystem.exists(FileSystem.join(path, $0)) }
    }

    /// Whether there is nothing at a path, or a directory without anything of anybody.
    static func isAbsentOrEmpty(_ path: String) -> Bool {
        !FileSystem.exists(path)
            || FileSystem.isDirectory(path) && FileSystem.names(in: path).allSatisfy(foreign.contains)
    }
}
