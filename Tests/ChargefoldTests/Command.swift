import Glibc
import Testing

/// The built executable, run as a user runs it: with an environment of its own, in a directory of its own.
struct Command {
    /// Where the executable was built: next to the test bundle.
    static let path: String = {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = max(0, readlink("/proc/self/exe", &buffer, buffer.count))
        let bundle = String(decoding: buffer[..<count], as: UTF8.self)
        return bundle.prefix(upTo: bundle.lastIndex(of: "/") ?? bundle.startIndex) + "/chargefold"
    }()

    /// What a process has left behind.
    struct Outcome {
        /// The exit code, or minus the number of the signal that ended it.
        let status: Int32
        let output: [UInt8]
        let errors: String

        var text: String { String(decoding: output, as: UTF8.self) }
    }

    let directory: Workspace
    var environment: [String: String]

    /// Runs a command to its end. Its output goes through files, so that it never waits for a reader.
    func run(
        _ arguments: [String], input: [UInt8] = [], environment extra: [String: String] = [:], executable: String = path
    ) throws -> Outcome {
        let number = directory.nextNumber()
        let (input, inputPath) = (input, directory.file("input-\(number)"))
        let (output, errors) = (directory.file("output-\(number)"), directory.file("errors-\(number)"))
        Workspace.write(input, to: inputPath)
        // Under AddressSanitizer what the argument parser has not freed when a command ends would be its exit code.
        var environment = environment.merging(extra) { $1 }
        environment["ASAN_OPTIONS"] = "detect_leaks=0"
        let process = try ChildProcess(
            executable, arguments, environment: environment, directory: directory.path,
            input: inputPath, output: output, errors: errors)
        let status = process.wait()
        return Outcome(
            status: status, output: Workspace.read(output),
            errors: String(decoding: Workspace.read(errors), as: UTF8.self))
    }

    /// Runs a command that must succeed.
    @discardableResult
    func succeed(
        _ arguments: [String], input: [UInt8] = [], environment extra: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Outcome {
        let outcome = try run(arguments, input: input, environment: extra)
        #expect(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
        return outcome
    }
}

/// A process of its own.
final class ChildProcess {
    let pid: pid_t
    private var status: Int32?

    /// - Parameters:
    ///   - input, output, errors: paths of files.
    init(
        _ executable: String, _ arguments: [String], environment: [String: String], directory: String, input: String,
        output: String, errors: String
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let flags = O_WRONLY | O_CREAT | O_TRUNC
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, flags, 0o600)
        posix_spawn_file_actions_addopen(
            &actions, STDERR_FILENO, errors, errors.hasSuffix(".fifo") ? O_WRONLY : flags, 0o600)
        // Swift's Glibc has no `posix_spawn_file_actions_addchdir_np`; the shell gives way to the executable.
        let shell = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, directory, executable]
        var argv: [UnsafeMutablePointer<CChar>?] = (shell + arguments).map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, "/bin/sh", &actions, nil, &argv, &envp)
        try #require(code == 0, "\(executable): \(String(cString: strerror(code)))")
        self.pid = pid
    }

    deinit {
        if status == nil {
            kill(pid, SIGKILL)
            wait()
        }
    }

    /// Waits for the end.
    /// - Returns: the exit code, or minus the number of the signal that ended it.
    @discardableResult
    func wait() -> Int32 {
        if let status { return status }
        var raw: Int32 = 0
        while waitpid(pid, &raw, 0) < 0 && errno == EINTR {}
        let result = raw & 0x7F == 0 ? raw >> 8 & 0xFF : -(raw & 0x7F)
        status = result
        return result
    }
}
