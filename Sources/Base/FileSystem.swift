internal import Glibc

/// The few calls on files that are needed without a descriptor of one's own.
package enum FileSystem {
    /// Removes a file, if it is there.
    package static func remove(_ path: String) {
        unlink(path)
    }

    package static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// Makes an empty file. It is a mark for the next start; if it cannot be made, that start finds the damage itself.
    package static func touch(_ path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
    }

    /// Bytes that a file takes on disk; 0 when there is no such file.
    package static func allocatedSize(_ path: String) -> Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_blocks) * 512 : 0
    }

    /// The size in bytes; 0 when there is no such file.
    package static func size(_ path: String) -> Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }
}
