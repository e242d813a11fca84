import Glibc

/// Bytes of a connection that wait for more, in memory of their own that is given back as soon as it is empty.
struct InputBuffer: ~Copyable {
    private(set) var base: UnsafeMutableRawPointer?
    private(set) var count = 0
    private(set) var capacity = 0

    deinit { free(base) }

    var isEmpty: Bool { count == 0 }

    var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base, count: count) }

    /// The memory behind the bytes, to be read into.
    var tail: UnsafeMutableRawBufferPointer {
        guard let base else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        return UnsafeMutableRawBufferPointer(start: base + count, count: capacity - count)
    }

    mutating func reserve(_ wanted: Int) {
        guard wanted > capacity else { return }
        guard let grown = realloc(base, wanted) else { preconditionFailure("out of memory") }
        base = grown
        capacity = wanted
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        // The first bytes get what they need, since most connections never get more; then it grows by halves.
        if count + bytes.count > capacity { reserve(max(count + bytes.count, capacity + capacity / 2)) }
        guard let base else { return }
        memcpy(base + count, source, bytes.count)
        count += bytes.count
    }

    /// Counts bytes that were read into `tail`.
    mutating func didFill(_ added: Int) { count += added }

    mutating func remove(_ range: Range<Int>) {
        guard let base, !range.isEmpty else { return }
        memmove(base + range.lowerBound, base + range.upperBound, count - range.upperBound)
        count -= range.count
        if count == 0 { release() }
    }

    mutating func release() {
        free(base)
        base = nil
        count = 0
        capacity = 0
    }
}

/// Where a worker puts the bytes of one turn before they are sent: memory that is kept and grows.
struct OutputBuffer: ~Copyable {
    private(set) var base: UnsafeMutableRawPointer
    private(set) var count = 0
    private var capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    mutating func reserve(_ added: Int) {
        guard count + added > capacity else { return }
        capacity = max(capacity * 2, count + added)
        let grown = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        memcpy(grown, base, count)
        base.deallocate()
        base = grown
    }

    mutating func clear() { count = 0 }

    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        reserve(bytes.count)
        memcpy(base + count, source, bytes.count)
        count += bytes.count
    }

    mutating func append(byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    /// Appends a number, not negative, with that radix (10 or 16).
    mutating func append(number: Int, radix: Int = 10) {
        reserve(20)
        var rest = number
        var digits = 1
        var ceiling = radix
        while rest >= ceiling, digits < 19 {
            digits += 1
            let (next, overflow) = ceiling.multipliedReportingOverflow(by: radix)
            if overflow { break }
            ceiling = next
        }
        for position in stride(from: digits - 1, through: 0, by: -1) {
            let digit = UInt8(truncatingIfNeeded: rest % radix)
            base.storeBytes(
                of: digit < 10 ? 0x30 + digit : 0x57 + digit, toByteOffset: count + position, as: UInt8.self)
            rest /= radix
        }
        count += digits
    }
}

/// Bytes that the kernel did not take yet, in order.
struct PendingOutput {
    private var chunks: [ArraySlice<UInt8>] = []
    /// How much of the first chunk is gone.
    private var offset = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    mutating func append(_ chunk: ArraySlice<UInt8>) {
        guard !chunk.isEmpty else { return }
        chunks.append(chunk)
        count += chunk.count
    }

    /// The bytes to send next.
    func withFirst<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        guard let first = chunks.first else { return nil }
        return first.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[offset...])) }
    }

    mutating func didSend(_ sent: Int) {
        count -= sent
        offset += sent
        if let first = chunks.first, offset == first.count {
            chunks.removeFirst()
            offset = 0
        }
        if count == 0 { chunks = [] }
    }

    mutating func removeAll() { self = PendingOutput() }
}
