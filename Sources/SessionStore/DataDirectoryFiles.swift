internal import Base
internal import EventLog
internal import Glibc
internal import Ledger
internal import SessionIndex

/// What lies in a data directory, by name.
package enum DataDirectoryFiles {
    /// What a file system puts into its root, where that is the data directory.
    private static let foreign = ["lost+found"]

    /// Makes sure that a path is a data directory, sound or not: somebody has begun one there. Changes nothing.
    /// - Throws: `directory` where it is none, or where this user may not know.
    static func requireDataDirectory(_ path: String) throws(StoreError) {
        let found = [EventLog.directoryName, Ledger.fileName].map { FileSystem.lookup(FileSystem.join(path, $0)) }
        if found.contains(0) { return }
        if let code = found.first(where: { $0 != ENOENT && $0 != ENOTDIR }) {
            throw StoreError(.directory, unreadable(path, code))
        }
        throw StoreError(.directory, "there is no data directory at \(path): it has no log and no ledger")
    }

    /// What is said of a data directory that cannot be looked into.
    /// - Parameter code: `errno`.
    package static func unreadable(_ path: String, _ code: Int32) -> String {
        "\(path) cannot be read: \(SystemCallError(code).withRemedy)"
    }

    /// Makes sure that there is nothing at a path, or a directory without anything of anybody.
    /// - Throws: `directory` where there is something, or where this user may not know.
    static func requireAbsentOrEmpty(_ path: String) throws(StoreError) {
        switch FileSystem.lookup(path) {
        case 0: break
        case ENOENT: return
        case let code: throw StoreError(.directory, unreadable(path, code))
        }
        if FileSystem.isDirectory(path) {
            do throws(SystemCallError) {
                if try FileSystem.listing(of: path).allSatisfy(foreign.contains) { return }
            } catch {
                throw StoreError(.directory, unreadable(path, error.code))
            }
        }
        throw StoreError(.directory, "\(path) is not empty: nothing is written over what is there")
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
