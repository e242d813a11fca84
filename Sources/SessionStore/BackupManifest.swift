package import Base
internal import Glibc
internal import SessionModel

/// The list of a backup, written last: a backup without it is not complete.
package struct BackupManifest: Sendable, Equatable {
    package struct File: Sendable, Equatable {
        /// Below the backup, such as `log/00000000000000000001.log`.
        package let name: String
        package let summary: FileSummary
    }

    package static let name = "backup.json"
    private static let format = 1
    private static let bytesMax: Int64 = 64 << 20

    /// The release that made it.
    package let version: String
    package let createdAt: String
    /// The log's.
    package let identity: Identity
    /// The last position of the log.
    package let end: Int64
    /// Deliveries that are in it.
    package let deliveries: Int64
    /// Files of the log that were damaged already when it was made.
    package let damagedFiles: [String]
    package let files: [File]

    var encoded: [UInt8] {
        var writer = JSONWriter(capacity: 512 + files.count * 96)
        writer.beginObject()
        writer.field("format", Self.format)
        writer.field("version", version)
        writer.field("createdAt", createdAt)
        writer.field("log", identity.description)
        writer.field("end", end)
        writer.field("deliveries", deliveries)
        writer.key("damagedFiles")
        writer.beginArray()
        for file in damagedFiles { writer.string(file) }
        writer.endArray()
        writer.key("files")
        writer.beginArray()
        for file in files {
            writer.beginObject()
            writer.field("name", file.name)
            writer.field("bytes", file.summary.bytes)
            writer.field("crc32c", Int64(file.summary.checksum))
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        writer.newline()
        return writer.bytes
    }

    init(
        version: String, createdAt: String, identity: Identity, end: Int64, deliveries: Int64, damagedFiles: [String],
        files: [File]
    ) {
        self.version = version
        self.createdAt = createdAt
        self.identity = identity
        self.end = end
        self.deliveries = deliveries
        self.damagedFiles = damagedFiles
        self.files = files
    }

    init?(decoding bytes: [UInt8]) {
        guard let json = try? CanonicalJSON(parsing: bytes), json.member("format")?.integer == Self.format,
            let version = json.string("version"), let createdAt = json.string("createdAt"),
            let identity = json.string("log").flatMap({ Identity($0) }), let end = json.member("end")?.integer,
            let deliveries = json.member("deliveries")?.integer
        else { return nil }
        var files: [File] = []
        for element in json.member("files")?.elements ?? [] {
            guard let name = element.string("name"), let bytes = element.member("bytes")?.integer,
                let checksum = element.member("crc32c")?.integer.flatMap({ UInt32(exactly: $0) }), Self.isPlain(name)
            else { return nil }
            files.append(File(name: name, summary: FileSummary(bytes: Int64(bytes), checksum: checksum)))
        }
        self.init(
            version: version, createdAt: createdAt, identity: identity, end: Int64(end), deliveries: Int64(deliveries),
            damagedFiles: (json.member("damagedFiles")?.elements ?? []).compactMap(\.string), files: files)
    }

    /// A name leads to nowhere but into the backup.
    private static func isPlain(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return (1...2).contains(parts.count) && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }

    /// - Throws: `directory` where there is no complete backup.
    package static func read(from directory: String) throws(StoreError) -> BackupManifest {
        let path = FileSystem.join(directory, name)
        switch FileSystem.lookup(path) {
        case 0: break
        case ENOENT where !FileSystem.exists(directory):
            throw StoreError(.directory, "there is no backup at \(directory): no such directory")
        case ENOENT, ENOTDIR: throw StoreError(.directory, "\(directory) is no complete backup: it has no \(name)")
        case let code: throw StoreError(.directory, DataDirectoryFiles.unreadable(directory, code))
        }
        guard FileSystem.size(path) <= bytesMax, let bytes = FileSystem.content(of: path),
            let manifest = BackupManifest(decoding: bytes)
        else { throw StoreError(.damaged, "\(path) can't be read: it is damaged, or of a newer release") }
        return manifest
    }
}
