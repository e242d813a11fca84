package import Base
internal import Dispatch
internal import EventLog
internal import Glibc
internal import Ledger
internal import Logging

/// Makes a backup of a data directory, and a data directory of a backup.
///
///     DIRECTORY/ledger.sqlite   whole, without a WAL
///     DIRECTORY/seal.key        what else belongs to it
///     DIRECTORY/log/…           copied after the ledger, for a log may be longer than the ledger knows and not shorter
///     DIRECTORY/backup.json     what is in it; written when everything else is durable and was read again
///
/// Session rows are not in it: the next start makes them.
package struct Backup {
    /// The release that makes it.
    let version: String
    let createdAt: String
    /// Further files of the data directory, where they are there.
    let furtherFiles: [String]
    let progress: (_ what: String, _ done: Int64, _ total: Int64) -> Void

    package init(
        version: String, createdAt: String, furtherFiles: [String],
        progress: @escaping (_ what: String, _ done: Int64, _ total: Int64) -> Void = { _, _, _ in }
    ) {
        self.version = version
        self.createdAt = createdAt
        self.furtherFiles = furtherFiles
        self.progress = progress
    }

    /// Copies what a store has, and verifies the copy. Nobody erases meanwhile.
    /// - Throws: `directory` where there is something at the path already, or it cannot be made.
    func make(of store: DiskSessionStore, _ ledger: Ledger, at target: String) throws(StoreError) -> BackupManifest {
        // What is erased afterwards would stay in it, and a backup that goes with what it is a backup of is none.
        guard !FileSystem.isInside(store.directory, target) else {
            throw StoreError(.directory, "\(target) is in the data directory itself")
        }
        let created = FileSystem.makeDirectory(target)
        guard created == 0 else {
            throw StoreError(.directory, "cannot make \(target): \(SystemCallError(created))")
        }
        do throws(StoreError) {
            return try fill(target, store, ledger)
        } catch {
            FileSystem.removeTree(target)
            throw error
        }
    }

    private func fill(
        _ target: String, _ store: DiskSessionStore, _ ledger: Ledger
    ) throws(StoreError) -> BackupManifest {
        let ledgerCopy = FileSystem.join(target, Ledger.fileName)
        try ledger.blocking { (ledger) throws(StoreError) in try ledger.copy(to: ledgerCopy) }
        var files: [BackupManifest.File] = []
        let log = FileSystem.join(target, EventLog.directoryName)
        do throws(FileCopyError) {
            files.append(.init(name: Ledger.fileName, summary: try FileSystem.summary(of: ledgerCopy)))
            for name in furtherFiles {
                let path = FileSystem.join(store.directory, name)
                guard FileSystem.exists(path) else { continue }
                let summary = try FileSystem.copy(path, to: FileSystem.join(target, name))
                files.append(.init(name: name, summary: summary))
            }
            let created = FileSystem.makeDirectory(log)
            guard created == 0 else { throw FileCopyError(code: created, action: "making \(log)") }
            let copies = try store.log.copy(to: log) { (done, total) throws(FileCopyError) in
                progress("copying", done, total)
                // A stop does not wait for a backup.
                if store.isClosing { throw FileCopyError(code: ECANCELED, action: "the server stops") }
            }
            for copy in copies {
                files.append(.init(name: EventLog.directoryName + "/" + copy.name, summary: copy.summary))
            }
        } catch {
            throw StoreError(.unavailable, "the backup cannot be made: \(error)")
        }
        let (end, verified) = try Self.verify(target, progress) { !store.isClosing }
        guard !store.isClosing else {
            throw StoreError(.closed, "the backup cannot be made: the server stops")
        }
        let manifest = BackupManifest(
            version: version, createdAt: createdAt, identity: store.log.identity, end: end, deliveries: verified.rows,
            damagedFiles: verified.damagedFiles, files: files)
        let list = FileSystem.join(target, BackupManifest.name)
        guard FileSystem.sync(log), FileSystem.write(manifest.encoded, to: list), FileSystem.sync(target) else {
            throw StoreError(.unavailable, "\(list) cannot be made durable")
        }
        return manifest
    }

    /// Reads every byte of the log in a directory, and looks at the ledger.
    private static func verify(
        _ directory: String, _ progress: (_ what: String, _ done: Int64, _ total: Int64) -> Void,
        while goesOn: () -> Bool = { true }
    ) throws(StoreError) -> (end: Int64, LogVerification) {
        try Ledger.check(fileAt: FileSystem.join(directory, Ledger.fileName))
        let quiet = Logger(label: "chargefold") { _ in SwiftLogNoOpLogHandler() }
        let log = try EventLog(directory: directory, readOnly: true, right: Unlocked(), logger: quiet)
        defer { log.close() }
        let last = log.lastPosition
        let verified = try log.verify { position in
            progress("verifying", position, last)
            return goesOn()
        }
        return (last, verified)
    }

    /// Nobody else works on what is being made.
    private struct Unlocked: DirectoryRight {
        func isInPlace() -> Bool { true }
        func renew() throws(StoreError) {}
    }

    // MARK: Back

    /// Makes a data directory of a backup, and verifies it.
    ///
    /// - Parameter target: absent or empty; it is, again, where this throws.
    /// - Throws: `directory` where `source` is no backup, or `target` is neither; `damaged` where the backup is not as it
    ///   was made.
    package static func restore(
        from source: String, to target: String,
        progress: (_ what: String, _ done: Int64, _ total: Int64) -> Void = { _, _, _ in }
    ) throws -> BackupManifest {
        let manifest = try BackupManifest.read(from: source)
        return try NewDataDirectory.make(at: target) {
            // Whoever starts a server meanwhile is told.
            let lock = try DirectoryLock(directory: target)
            defer { lock.release() }
            try fill(target, from: source, manifest, progress)
            return manifest
        }
    }

    private static func fill(
        _ target: String, from source: String, _ manifest: BackupManifest,
        _ progress: (_ what: String, _ done: Int64, _ total: Int64) -> Void
    ) throws(StoreError) {
        // Where this ends half-way, by a power cut, the ledger knows of a log that is not there: a start refuses.
        let log = FileSystem.join(target, EventLog.directoryName)
        let unfinished = log + ".unfinished"
        let total = manifest.files.reduce(0) { $0 + $1.summary.bytes }
        var done: Int64 = 0
        do throws(FileCopyError) {
            let created = FileSystem.makeDirectory(unfinished)
            guard created == 0 else { throw FileCopyError(code: created, action: "making \(unfinished)") }
            for file in manifest.files {
                let segment = file.name.split(separator: "/").dropFirst().first
                let path = segment.map { FileSystem.join(unfinished, String($0)) } ?? FileSystem.join(target, file.name)
                let summary = try FileSystem.copy(FileSystem.join(source, file.name), to: path)
                guard summary == file.summary else {
                    throw FileCopyError(code: 0, action: "\(file.name) is not as it was when the backup was made")
                }
                done += summary.bytes
                progress("copying", done, total)
            }
        } catch {
            guard error.code == 0 else { throw StoreError(.unavailable, "the backup cannot be restored: \(error)") }
            throw StoreError(.damaged, "the backup is damaged: \(error.action)")
        }
        guard FileSystem.sync(unfinished), FileSystem.rename(unfinished, to: log), FileSystem.sync(target) else {
            throw StoreError(.unavailable, "\(log) cannot be made durable")
        }
        let (end, verified) = try verify(target, progress)
        guard end == manifest.end, verified.rows == manifest.deliveries else {
            throw StoreError(
                .damaged,
                """
                the log ends at position \(end) and has \(verified.rows) deliveries; the backup had \
                \(manifest.deliveries) up to \(manifest.end)
                """)
        }
    }
}

extension DiskSessionStore {
    /// Makes a backup in a directory that is not there yet; callbacks are taken meanwhile, erasures wait. Blocks, and may
    /// take long.
    package func backUp(to target: String, _ backup: Backup) throws(StoreError) -> BackupManifest {
        let ledger = try ledger
        guard let eraser else { throw StoreError(.closed, "the store is closed") }
        return try eraser.queue.sync { () -> Result<BackupManifest, StoreError> in
            Result { () throws(StoreError) in try backup.make(of: self, ledger, at: target) }
        }.get()
    }
}
