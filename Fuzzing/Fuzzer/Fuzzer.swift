import CFuzzer
import Glibc

/// The fuzzer: `fuzzer TARGET [LIBFUZZER-OPTION | CORPUS-FOLDER]…`. One executable for all targets, built only when
/// `CHARGEFOLD_FUZZING` is set (see `scripts/fuzz`).
@main
enum Fuzzer {
    /// libFuzzer's callback is a C function and cannot carry state.
    nonisolated(unsafe) private static var target: FuzzTarget = FuzzTarget.all[0]

    static func main() {
        let name = CommandLine.arguments.dropFirst().first ?? "--list"
        if name == "--list" {
            for target in FuzzTarget.all { print(target.name) }
            return
        }
        guard let chosen = FuzzTarget.all.first(where: { $0.name == name }) else {
            print("no such target: \(name)")
            exit(64)
        }
        target = chosen
        var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.enumerated()
            .filter { $0.offset != 1 }.map { strdup($0.element) }
        arguments.append(nil)
        var count = Int32(arguments.count - 1)
        let status = arguments.withUnsafeMutableBufferPointer { buffer in
            var start = buffer.baseAddress
            return LLVMFuzzerRunDriver(&count, &start) { data, size in
                Fuzzer.target.run(UnsafeRawBufferPointer(start: data, count: size))
                return 0
            }
        }
        exit(status)
    }
}
