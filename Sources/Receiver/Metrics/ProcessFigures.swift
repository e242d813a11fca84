internal import Glibc

/// What the kernel says of this process, named as all Prometheus clients name it. Reading it takes some system calls on
/// `/proc`, none of which waits for a disk.
struct ProcessFigures {
    var cpuSeconds = 0.0
    var residentBytes = 0
    var virtualBytes = 0
    var startSeconds = 0.0
    var openDescriptors = 0
    var descriptorsMax = 0

    /// nil where there is no `/proc`.
    init?() {
        // The name of the program, in parentheses, may hold anything: what is behind them counts (proc(5)).
        guard let line = Self.read("/proc/self/stat"), let end = line.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        let fields = line[line.index(after: end)...].split(separator: UInt8(ascii: " ")).map {
            Int(String(decoding: $0, as: UTF8.self)) ?? 0
        }
        guard fields.count > 21 else { return nil }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        cpuSeconds = Double(fields[11] + fields[12]) / ticks
        virtualBytes = fields[20]
        residentBytes = fields[21] * sysconf(Int32(_SC_PAGESIZE))
        startSeconds = Self.bootSeconds + Double(fields[19]) / ticks
        openDescriptors = Self.count("/proc/self/fd")
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        descriptorsMax = Int(clamping: limit.rlim_cur)
    }

    /// When the machine started, in seconds since 1970.
    private static let bootSeconds: Double = {
        let text = read("/proc/stat").map { String(decoding: $0, as: UTF8.self) } ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) } ?? 0
    }()

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        while content.count < 1 << 20 {
            let piece = [UInt8](unsafeUninitializedCapacity: 16_384) { buffer, count in
                count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
            }
            if piece.isEmpty { break }
            content += piece
        }
        return content
    }

    private static func count(_ path: String) -> Int {
        guard let folder = opendir(path) else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // ".", ".." and the folder itself.
        return max(0, count - 3)
    }
}

extension MetricsPage {
    mutating func add(_ process: ProcessFigures) {
        add("process_cpu_seconds_total", .counter, "User and system time.", [("", "\(process.cpuSeconds)")])
        add("process_resident_memory_bytes", .gauge, "Memory in use.", process.residentBytes)
        add("process_virtual_memory_bytes", .gauge, "Address space in use.", process.virtualBytes)
        add(
            "process_start_time_seconds", .gauge, "When the process started, in seconds since 1970.",
            [("", "\(process.startSeconds)")])
        add("process_open_fds", .gauge, "Open descriptors.", process.openDescriptors)
        add("process_max_fds", .gauge, "Descriptors that may be open.", process.descriptorsMax)
    }
}
