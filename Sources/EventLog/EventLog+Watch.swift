package import Base
internal import Dispatch
internal import Glibc
internal import Logging

/// A path is not a descriptor: files may be removed or replaced while the log writes to them. Then everything would be
/// written to files that nobody finds again, without any error.
///
/// Once a second, and before the log is closed, device, inode and link count of each open file are compared with its path.
/// What is not where it belongs is written again from the open descriptor, and until the next look finds it in place the
/// log says that something is wrong.
extension EventLog {
    func watchByItself() {
        guard options.watchMilliseconds > 0 else { return }
        queue.asyncAfter(deadline: .now() + .milliseconds(options.watchMilliseconds)) { [weak self] in
            guard let self, state.withLock({ $0 != .closed }) else { return }
            watch()
            watchByItself()
        }
    }

    /// One look. On the log's queue.
    package func watch() {
        do throws(StoreError) {
            if try !restoreIfMoved() { setOutage(nil) }
        } catch {
            _ = failed(error)
            scheduleProbe()
        }
    }

    /// Writes files again that are not where they belong.
    /// - Returns: whether there were any.
    @discardableResult
    func restoreIfMoved() throws(StoreError) -> Bool {
        guard let appender = onQueue.appender else { return false }
        let segments = segments.withLock { $0 }
        let moved = segments.filter { !$0.isInPlace }
        let isClaimed = right.isInPlace()
        if moved.isEmpty && isClaimed { return false }
        let outage = StoreError(.filesMoved, "files of the data directory were removed or replaced while in use")
        if setOutage(outage) {
            logger.critical(
                "files of the log were removed or replaced while in use",
                metadata: ["files": "\(moved.map(\.name).joined(separator: " "))"])
        }
        try right.renew()
        do throws(LogFileError) {
            if mkdir(directory, 0o700) != 0 && errno != EEXIST {
                throw LogFileError(code: errno, action: "making \(directory)")
            }
            for segment in moved {
                try segment.writeAgain()
                if segment.firstPosition == appender.header.firstPosition {
                    let file = try LogFile(path: segment.path, .write, hook: options.writeHook)
                    appender.replaceFile(PreparedFile(file, prepared: segment.file.size & ~(LogFormat.blockBytes - 1)))
                }
                figures.withLock { $0.restorations += 1 }
            }
            try LogFile.syncDirectory(directory)
        } catch {
            throw StoreError(.filesMoved, "files of the log are gone, and cannot be written again: \(error)")
        }
        logger.notice("the files of the log were written again", metadata: ["count": "\(moved.count)"])
        return true
    }

    /// - Returns: whether there was none.
    @discardableResult
    private func setOutage(_ error: StoreError?) -> Bool {
        outage.withLock { outage in
            defer { outage = error }
            return outage == nil
        }
    }
}

extension Segment {
    /// Whether the path still leads to the file that is open.
    var isInPlace: Bool {
        var opened = stat()
        var named = stat()
        return fstat(file.descriptor, &opened) == 0 && stat(path, &named) == 0 && opened.st_nlink > 0
            && (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)
    }

    /// Copies what the open descriptor has to the path, and goes on with that file. A file that is in the way is moved
    /// aside.
    func writeAgain() throws(LogFileError) {
        let source = file
        let restoring = path + ".restoring"
        unlink(restoring)
        do throws(FileCopyError) {
            _ = try FileSystem.copy(source.descriptor, to: restoring)
        } catch {
            throw LogFileError(code: error.code, action: error.action)
        }
        if FileSystem.exists(path) { FileSystem.moveAside(path, as: "replaced") }
        guard rename(restoring, path) == 0 else { throw LogFileError(code: errno, action: "naming \(path)") }
        replaceFile(try ReadFile(path: path))
    }
}

/// The right to write to the data directory, as its owner has it.
package protocol DirectoryRight: Sendable {
    /// Whether the path still leads to what was claimed.
    func isInPlace() -> Bool
    /// Claims the path again, making the directory where it is gone.
    /// - Throws: `locked` where it is another process's now, `directory` where it cannot be made.
    func renew() throws(StoreError)
}
