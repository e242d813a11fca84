internal import Base
internal import EventLog
internal import Glibc
internal import Ledger
internal import SessionIndex

/// What lies in a data directory, by name.
package enum DataDirectoryFiles {
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

    /// The bytes of the longest path of a database (`MAX_PATHNAME` of SQLite's `os_unix.c`), without what is appended to it.
    private static let databasePathBytesMax = 512 - "-journal".utf8.count - 1

    /// What keeps files from being made or opened in a directory that is there, or can be made; nil where nothing does.
    package static func obstacle(in directory: String) -> String? {
        let databaseBytes = FileSystem.join(FileSystem.absolute(directory), SessionIndex.fileName).utf8.count
        if databaseBytes > databasePathBytesMax {
            return
                "\(directory.prefix(60))… is longer by \(databaseBytes - databasePathBytesMax) bytes than is possible"
        }
        let isDirectory = [
            DirectoryLock.fileName: false, Ledger.fileName: false, SessionIndex.fileName: false,
            EventLog.directoryName: true,
        ]
        for (name, isDirectory) in isDirectory.sorted(by: { $0.key < $1.key }) {
            let path = FileSystem.join(directory, name)
            guard FileSystem.exists(path), FileSystem.isDirectory(path) != isDirectory else { continue }
            return "\(path) is \(isDirectory ? "no directory" : "a directory")"
        }
        return nil
    }
}
