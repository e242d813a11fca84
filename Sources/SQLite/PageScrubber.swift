internal import CSQLite

/// Overwrites what is left of moved cells in a database file.
///
/// `secure_delete` zeroes what is deleted, but when SQLite moves cells from one b-tree page to another, their old bytes
/// stay in the unallocated part of the page that they left, and deleting the moved cell later does not reach them. Here
/// these parts (<https://sqlite.org/fileformat2.html#b_tree_pages>) are zeroed directly in the file, through SQLite's own
/// file handle (another one would drop the process's locks when it is closed).
///
/// To be used on the queue of the only connection that writes the file, outside a transaction, with an empty WAL: then
/// the pages in the file are the current ones. Only bytes that mean nothing are written, so neither a concurrent reader
/// nor a crash can see anything of it.
package struct PageScrubber {
    private let database: Database
    private let file: UnsafeMutablePointer<sqlite3_file>
    private let methods: sqlite3_io_methods
    private let pageSize: Int
    private let usableSize: Int
    private let pageCount: Int

    package init(_ database: Database) throws(SQLiteError) {
        database.checkOwner()
        self.database = database
        var pointer: UnsafeMutablePointer<sqlite3_file>?
        let code = sqlite3_file_control(database.handle, "main", SQLITE_FCNTL_FILE_POINTER, &pointer)
        guard code == SQLITE_OK, let pointer, let methods = pointer.pointee.pMethods else {
            throw SQLiteError(handle: database.handle, code: code, action: "scrubbing \(database.path)")
        }
        file = pointer
        self.methods = methods.pointee
        var size: Int64 = 0
        _ = self.methods.xFileSize?(pointer, &size)
        var header = [UInt8](repeating: 0, count: 100)
        _ = self.methods.xRead?(pointer, &header, 100, 0)
        let stored = Int(header[16]) << 8 | Int(header[17])
        pageSize = stored == 1 ? 65_536 : stored
        usableSize = pageSize - Int(header[20])
        pageCount = pageSize >= 512 ? Int(size) / pageSize : 0
    }

    /// - Returns: the number of pages that had remains.
    @discardableResult
    package func run() throws(SQLiteError) -> Int {
        var scrubbed = 0
        var waiting = try roots()
        var page = [UInt8](repeating: 0, count: pageSize)
        // A sound file has no page twice; the bound is for one that is not.
        var visits = 0
        while let number = waiting.popLast(), visits <= pageCount {
            visits += 1
            guard number >= 1, number <= pageCount else { continue }
            let offset = Int64(number - 1) * Int64(pageSize)
            try check(methods.xRead?(file, &page, Int32(pageSize), offset))
            let start = number == 1 ? 100 : 0
            guard let layout = PageLayout(page, start: start, usableSize: usableSize) else { continue }
            waiting += layout.children
            if clear(&page, layout) {
                try check(methods.xWrite?(file, page, Int32(pageSize), offset))
                scrubbed += 1
            }
        }
        if scrubbed > 0 { try check(methods.xSync?(file, Int32(SQLITE_SYNC_FULL))) }
        // Pages in the connection's memory still have the remains, and would bring them back when they are written.
        sqlite3_db_release_memory(database.handle)
        return scrubbed
    }

    private func roots() throws(SQLiteError) -> [Int] {
        var roots = [1]
        let statement = try database.prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 1")
        defer { statement.finalize() }
        while try statement.step() { roots.append(Int(statement.int64(0))) }
        return roots
    }

    private func clear(_ page: inout [UInt8], _ layout: PageLayout) -> Bool {
        var changed = false
        for range in layout.unused {
            for index in range where page[index] != 0 {
                page[index] = 0
                changed = true
            }
        }
        return changed
    }

    private func check(_ code: Int32?) throws(SQLiteError) {
        guard code == SQLITE_OK else {
            throw SQLiteError(
                code: code ?? SQLITE_ERROR, message: "the file cannot be read or written",
                action: "scrubbing \(database.path)")
        }
    }
}

/// Where things are in a b-tree page.
struct PageLayout {
    /// Pages below this one.
    private(set) var children: [Int] = []
    /// Bytes that mean nothing.
    private(set) var unused: [Range<Int>] = []

    /// nil for a page that is no b-tree page, or not a sound one.
    /// - Parameter start: where the page's header begins: 100 in the first page of a file.
    init?(_ page: [UInt8], start: Int, usableSize: Int) {
        func short(_ offset: Int) -> Int { Int(page[offset]) << 8 | Int(page[offset + 1]) }
        func long(_ offset: Int) -> Int { short(offset) << 16 | short(offset + 2) }
        let kind = page[start]
        guard [0x02, 0x05, 0x0A, 0x0D].contains(kind) else { return nil }
        let isInterior = kind < 0x0A
        let cellCount = short(start + 3)
        let contentStart = short(start + 5) == 0 ? 65_536 : short(start + 5)
        let pointers = start + (isInterior ? 12 : 8)
        let gapStart = pointers + 2 * cellCount
        guard gapStart <= contentStart, contentStart <= usableSize, usableSize <= page.count else { return nil }
        unused.append(gapStart..<contentStart)
        // Free blocks: two bytes for the next one, two for the length.
        var block = short(start + 1)
        while block >= contentStart, block + 4 <= usableSize {
            let end = block + short(block + 2)
            guard end >= block + 4, end <= usableSize else { break }
            unused.append(block + 4..<end)
            let next = short(block)
            guard next > block else { break }
            block = next
        }
        guard isInterior else { return }
        for cell in 0..<cellCount {
            let offset = short(pointers + 2 * cell)
            guard offset + 4 <= usableSize else { continue }
            children.append(long(offset))
        }
        children.append(long(start + 8))
    }
}
