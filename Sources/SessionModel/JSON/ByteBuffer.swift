#if canImport(Glibc)
import Glibc
#endif

/// Bytes that grow at the end. For the hot paths: an append is a bounds check and a store, where `Array` also has to make
/// sure each time that nobody shares its storage.
///
/// Unsafe inside: `start` is owned by this value alone (it can't be copied) and freed with it, unless it is the scratch
/// memory of whoever made it; `count` never exceeds `capacity`, which every write checks first.
struct ByteBuffer: ~Copyable {
    private var start: UnsafeMutableRawPointer
    private var capacity: Int
    private var isOwner: Bool
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = max(capacity, 16)
        start = UnsafeMutableRawPointer.allocate(byteCount: self.capacity, alignment: 1)
        isOwner = true
    }

    /// Writes to `scratch` and takes memory of its own only when that is full. For bytes that are needed for a moment:
    /// short ones then cost no allocation.
    ///
    /// - Parameter scratch: must outlive this value.
    init(scratch: UnsafeMutableRawBufferPointer) {
        isOwner = scratch.baseAddress == nil
        capacity = isOwner ? 16 : scratch.count
        start = scratch.baseAddress ?? UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 1)
    }

    deinit {
        if isOwner { start.deallocate() }
    }

    /// Makes room for so many bytes more.
    @inline(__always)
    private mutating func reserve(_ more: Int) {
        if capacity - count < more { grow(more) }
    }

    @inline(never)
    private mutating func grow(_ more: Int) {
        let wider = max(capacity * 2, count + more)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: wider, alignment: 1)
        moved.copyMemory(from: start, byteCount: count)
        if isOwner { start.deallocate() }
        start = moved
        capacity = wider
        isOwner = true
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        reserve(1)
        start.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        memcpy(start + count, source, bytes.count)
        count += bytes.count
    }

    mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>) {
        append(UnsafeRawBufferPointer(rebasing: bytes))
    }

    mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends the bytes between quotes; they must need no escapes.
    @inline(__always)
    mutating func append(quoting bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count + 2)
        start.storeBytes(of: UInt8(ascii: "\""), toByteOffset: count, as: UInt8.self)
        if let source = bytes.baseAddress { memcpy(start + count + 1, source, bytes.count) }
        start.storeBytes(of: UInt8(ascii: "\""), toByteOffset: count + 1 + bytes.count, as: UInt8.self)
        count += bytes.count + 2
    }

    @inline(__always)
    mutating func append(quoting text: StaticString) {
        append(quoting: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(repeating byte: UInt8, count: Int) {
        for _ in 0..<count { append(byte) }
    }

    /// Lets `body` write at most `most` bytes at the end; it returns how many they were.
    @inline(__always)
    mutating func append(atMost most: Int, _ body: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        reserve(most)
        let room = UnsafeMutableRawBufferPointer(start: start + count, count: most)
        count += min(room.withMemoryRebound(to: UInt8.self) { body($0) }, most)
    }

    /// Drops what stands behind the first `newCount` bytes.
    mutating func truncate(to newCount: Int) {
        count = min(count, max(newCount, 0))
    }

    /// What has been written. Valid until the next append.
    @inline(__always)
    var contents: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: count)
    }

    /// A copy.
    var array: [UInt8] { Array(contents) }
}
