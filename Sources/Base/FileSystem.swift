internal import Glibc

/// The few calls on files that are needed without a descriptor of one's own.
package enum FileSystem {
    /// Which file a path means: two paths, or a path and a descriptor, with the same identity are the same file.
    package struct FileIdentity: Sendable, Equatable {
        package let device: UInt64
        package let inode: UInt64
    }

    /// Enough to tell that a file, or what a symbolic link leads to, has changed.
    package struct FileState: Sendable, Equatable {
        let identity: FileIdentity?
        let bytes: Int64
        let modifiedSeconds: Int
        let modifiedNanoseconds: Int
    }

    package static func state(_ path: String) -> FileState {
        var status = stat()
        let isThere = stat(path, &status) == 0
        return FileState(
            identity: identity(path), bytes: isThere ? Int64(status.st_size) : -1,
            modifiedSeconds: status.st_mtim.tv_sec, modifiedNanoseconds: status.st_mtim.tv_nsec)
    }

    /// How large a file system is, and what of it is left for us.
    package struct Room: Sendable, Equatable {
        package let bytes: Int64
        package let freeBytes: Int64
    }

    /// Of the file system that a path is on; nil where that cannot be said. May wait for a disk that does not answer.
    package static func room(at path: String) -> Room? {
        var figures = statvfs()
        guard statvfs(path, &figures) == 0 else { return nil }
        let unit = Int64(figures.f_frsize)
        return Room(
            bytes: Int64(clamping: figures.f_blocks) * unit, freeBytes: Int64(clamping: figures.f_bavail) * unit)
    }

    /// Removes a file, if it is there.
    package static func remove(_ path: String) {
        unlink(path)
    }

    package static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// What keeps a path from being looked at, as `errno` has it: 0 where something is there, `ENOENT` where nothing is, `EACCES`
    /// where this user may not know.
    package static func lookup(_ path: String) -> Int32 {
        var status = stat()
        return stat(path, &status) == 0 ? 0 : errno
    }

    package static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Makes a directory for its owner only.
    /// - Returns: `errno`; 0 where it is made.
    package static func makeDirectory(_ path: String) -> Int32 {
        mkdir(path, 0o700) == 0 ? 0 : errno
    }

    /// Makes an empty file. It is a mark for the next start; if it cannot be made, that start finds the damage itself.
    package static func touch(_ path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
    }

    /// For the owner only (mode 0600), whatever it was.
    package static func makePrivate(_ path: String) {
        chmod(path, 0o600)
    }

    /// Gives a file another name, in place of whatever had it. Durable once the directory has been synced.
    /// - Returns: whether it has it.
    @discardableResult
    package static func rename(_ path: String, to other: String) -> Bool {
        Glibc.rename(path, other) == 0
    }

    /// Gives a file a second name, which must be free.
    package static func link(_ path: String, to other: String) -> Bool {
        Glibc.link(path, other) == 0
    }

    /// Syncs a file, or the names in a directory.
    /// - Returns: whether it is on disk now.
    package static func sync(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return fsync(descriptor) == 0
    }

    /// nil when there is no such file.
    package static func identity(_ path: String) -> FileIdentity? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// The size in bytes; 0 when there is no such file.
    package static func size(_ path: String) -> Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }
}

extension FileSystem {
    /// The names in a directory, without `.` and `..`; none where it cannot be read.
    package static func names(in path: String) -> [String] { (try? listing(of: path)) ?? [] }

    /// The same, for whom it makes a difference whether there are none or nobody can say.
    package static func listing(of path: String) throws(SystemCallError) -> [String] {
        guard let directory = opendir(path) else { throw SystemCallError(errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw SystemCallError(errno) }
                return names
            }
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    /// A path from the root on; `.` and `..` stay in it.
    package static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let current = getcwd(nil, 0) else { return path }
        defer { free(current) }
        return join(String(cString: current), path)
    }

    /// Whether a path, which need not be there, lies in a directory, by whatever links.
    package static func isInside(_ directory: String, _ path: String) -> Bool {
        var rest = absolute(path)[...]
        while rest.last == "/" { rest = rest.dropLast() }
        guard let slash = rest.lastIndex(of: "/"), let outer = withoutLinks(directory),
            let parent = withoutLinks(String(rest[...slash]))
        else { return false }
        return parent == outer || parent.hasPrefix(outer + "/")
    }

    /// Where a path leads, from the root on and without links, `.` and `..`; as it is where nothing is there.
    package static func resolved(_ path: String) -> String { withoutLinks(path) ?? path }

    private static func withoutLinks(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// A path below a directory.
    package static func join(_ directory: String, _ name: String) -> String {
        directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }

    /// Gives a file another name beside its own, `PATH.WHY-1` and so on, never over one that is there.
    /// - Returns: the new path; nil where it could not be moved.
    @discardableResult
    package static func moveAside(_ path: String, as why: String) -> String? {
        var number = 1
        while exists("\(path).\(why)-\(number)") { number += 1 }
        let aside = "\(path).\(why)-\(number)"
        return Glibc.rename(path, aside) == 0 ? aside : nil
    }

    /// Removes what `moveAside` has left of a path, with the files that SQLite has beside it.
    package static func removeAside(_ path: String, as why: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let prefix = path[path.index(after: slash)...] + ".\(why)-"
        for name in names(in: String(path[..<slash])) where name.hasPrefix(prefix) {
            remove(path[...slash] + name)
        }
    }
}

extension FileSystem {
    /// All bytes of a small file; nil where it cannot be read.
    package static func content(of path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return content }
            content += chunk[..<count]
        }
    }

    /// Writes a new file (mode 0600) and syncs it; its name is not durable yet.
    /// - Returns: whether it is there as a whole.
    package static func write(_ content: [UInt8], to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var rest = content[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return fsync(descriptor) == 0
    }

    /// Removes a directory of ours with all that is in it; symbolic links are not followed.
    package static func removeTree(_ path: String) {
        removeContent(of: path)
        rmdir(path)
    }

    /// Removes all that is in a directory of ours.
    package static func removeContent(of path: String) {
        for name in names(in: path) where name != "lost+found" {
            let entry = join(path, name)
            if unlink(entry) != 0 { removeTree(entry) }
        }
    }
}

/// What `errno` says.
package struct SystemCallError: Error, CustomStringConvertible {
    package let code: Int32

    package init(_ code: Int32) { self.code = code }

    package var description: String { String(cString: strerror(code)) }

    /// The same for whoever wanted something of a data directory, which is its owner's alone.
    package var withRemedy: String { code == EACCES ? "\(self); run this as its owner" : description }
}
