import Base
import Glibc
import Logging

@testable import EventLog

/// What a log's files may hold after a disk has done what it liked with them.
extension FuzzTarget {
    private static let identity = Identity(high: 7, low: 9)
    private static let quiet = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }

    /// The header of a segment: whatever is taken for one says what it says, and nothing else is.
    @Sendable static func segment(_ bytes: UnsafeRawBufferPointer) {
        var block = [UInt8](repeating: 0, count: LogFormat.blockBytes)
        for (index, byte) in bytes.prefix(block.count).enumerated() { block[index] = byte }
        guard let header = block.withUnsafeBytes({ SegmentHeader($0) }) else { return }
        var again = [UInt8](repeating: 0, count: LogFormat.blockBytes)
        again.withUnsafeMutableBytes { header.write(to: $0) }
        precondition(again.withUnsafeBytes { SegmentHeader($0) } == header, "own header refused")
    }

    /// Places that another receiver has sent: what is understood is the same after it was written and read.
    @Sendable static func places(_ bytes: UnsafeRawBufferPointer) {
        guard let places = PlaceSet(decoding: Array(bytes)) else { return }
        precondition(PlaceSet(decoding: places.encoded) == places, "own form means something else")
    }

    /// Entries of rows that the bytes make up, with flips, cuts, swapped and repeated blocks: what is read is ascending,
    /// within the file and one of them, and every row that stands where it was written is found.
    @Sendable static func entry(_ bytes: UnsafeRawBufferPointer) {
        var input = bytes[...]
        var image = LogImage(identity: identity)
        while let count = input.popFirst(), image.bytes.count < 40 << 10 {
            var rows: [[UInt8]] = []
            for _ in 0...count & 3 {
                guard let length = input.popFirst() else { break }
                rows.append(Array(input.prefix(Int(length))))
                input = input.dropFirst(Int(length))
            }
            if !rows.isEmpty { image.append(rows) }
            if count & 0x80 != 0 { break }
        }
        let original = image.bytes
        image.damage(Array(input.prefix(64)))
        guard let file = image.file() else { return }
        let limit = image.bytes.count
        let last = Int64(image.rows.count)
        guard last > 0 else { return }
        do {
            let salvage = try SegmentSalvage(
                file, limit: limit, seed: image.seed, positions: 1...last, soundThrough: 0, origins: image.origins)
            var position: Int64 = 0
            for row in salvage.rows {
                precondition(row.position > position, "not ascending")
                position = row.position
                precondition(row.offset + row.bytes <= limit, "outside of the file")
                precondition(image.places[Int(position) - 1] == (row.origin, row.sequence), "another delivery")
                let place = image.rows[Int(position) - 1]
                precondition(
                    image.bytes[row.offset..<row.offset + row.bytes].elementsEqual(original[place]),
                    "not what was written")
            }
            for (index, place) in image.rows.enumerated() where place.upperBound <= limit {
                let isThere = image.bytes[place].elementsEqual(original[place])
                precondition(!isThere || salvage.row(at: Int64(index) + 1) != nil, "a sound row is lost")
            }
        } catch {
            preconditionFailure("reading does not fail: \(error)")
        }
    }

    /// A directory with such a file: it opens, or says why not, and reads the same twice.
    @Sendable static func recovery(_ bytes: UnsafeRawBufferPointer) {
        var image = LogImage(identity: identity)
        var input = bytes[...]
        for _ in 0..<8 { image.append([Array(input.prefix(40))]); input = input.dropFirst(40) }
        image.damage(Array(input.prefix(64)))
        let path = "/dev/shm/chargefold-fuzz-\(getpid())"
        mkdir(path, 0o700)
        mkdir(path + "/log", 0o700)
        for name in FileSystem.names(in: path + "/log") { unlink(path + "/log/" + name) }
        let name = path + "/log/" + LogFormat.fileName(firstPosition: 1)
        let descriptor = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        _ = image.bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        func read() -> [Int64: [UInt8]]? {
            guard
                let log = try? EventLog(
                    directory: path, readOnly: true, right: NoRight(), logger: quiet)
            else { return nil }
            var rows: [Int64: [UInt8]] = [:]
            _ = try? log.read(after: 0) { (row) throws(Never) in
                precondition(rows[row.position] == nil, "a row twice")
                rows[row.position] = [UInt8](row.body)
                return true
            }
            log.close()
            return rows
        }
        let first = read()
        precondition(first == read(), "not the same twice")
    }
}

private struct NoRight: DirectoryRight {
    func isInPlace() -> Bool { true }
    func renew() throws(StoreError) {}
}

/// A segment in memory.
private struct LogImage {
    let seed: UInt32
    private(set) var bytes: [UInt8]
    /// Where each row stands, by position.
    private(set) var rows: [Range<Int>] = []
    /// Whose each row is.
    private(set) var places: [(origin: Identity, sequence: Int64)] = []
    private(set) var origins = OriginTable()
    private var seal: UInt64 = 0

    init(identity: Identity) {
        seed = LogFormat.seed(identity)
        bytes = [UInt8](repeating: 0, count: LogFormat.blockBytes)
        // Some of another receiver.
        for origin in [identity, Identity(high: 8, low: 10)] { origins.advance(origin, to: 1) }
        let header = SegmentHeader(
            identity: identity, origin: identity, table: origins, firstPosition: 1, previousSeal: 0,
            previousFirstPosition: 0)
        bytes.withUnsafeMutableBytes { header.write(to: $0) }
    }

    mutating func append(_ bodies: [[UInt8]]) {
        let start = bytes.count
        let first = Int64(rows.count) + 1
        let origin = origins.entries[rows.count % 2].origin
        let sequence = origins.next(origin)
        var entry = [UInt8](repeating: 0, count: EntryHeader.bytes)
        var checksum = RowsChecksum(seed: seed)
        for (index, body) in bodies.enumerated() {
            var row = [UInt8](repeating: 0, count: RowHeader.bytes) + body
            row.withUnsafeMutableBytes { row in
                checksum.add(
                    RowHeader.seal(
                        row,
                        RowHeader.Name(
                            position: first + Int64(index), originTag: RowHeader.tag(origin),
                            sequence: sequence + Int64(index)),
                        receivedMicroseconds: 5, source: 0, seed: seed))
            }
            rows.append(start + entry.count..<start + entry.count + row.count)
            places.append((origin, sequence + Int64(index)))
            entry += row
        }
        let header = EntryHeader(
            entryBytes: entry.count, firstPosition: first, count: bodies.count, rowsChecksum: checksum.value,
            seal: UInt64(first), previousSeal: seal, origin: origin, firstSequence: sequence,
            flags: rows.count % 2 == 0 ? .own : [])
        origins.advance(origin, to: sequence + Int64(bodies.count))
        seal = header.seal
        entry.withUnsafeMutableBytes { header.write(to: $0, seed: seed) }
        bytes += entry + [UInt8](repeating: 0, count: header.stride - entry.count)
    }

    /// Four bytes a damage: what, where (two), and how much.
    mutating func damage(_ plan: [UInt8]) {
        var rest = plan[...]
        while rest.count >= 4 {
            let step = Array(rest.prefix(4))
            rest = rest.dropFirst(4)
            let place = (Int(step[1]) << 8 | Int(step[2])) % bytes.count
            switch step[0] & 3 {
            case 0: bytes[place] ^= step[3]
            case 1: bytes.removeSubrange(max(place, LogFormat.blockBytes)...)
            case 2:
                let other = (place + Int(step[3]) * 64) % bytes.count
                for index in 0..<min(64, bytes.count - max(place, other)) {
                    bytes.swapAt(place + index, other + index)
                }
            default:
                let other = (place + Int(step[3]) * 64) % bytes.count
                for index in 0..<min(64, bytes.count - max(place, other)) {
                    bytes[place + index] = bytes[other + index]
                }
            }
            if bytes.count <= LogFormat.blockBytes { return }
        }
    }

    /// The image as a file that can be read.
    func file() -> ReadFile? {
        let path = "/dev/shm/chargefold-fuzz-image-\(getpid())"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        defer { close(descriptor) }
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        return try? ReadFile(path: path)
    }
}
