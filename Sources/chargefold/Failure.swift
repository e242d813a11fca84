import ArgumentParser
import Glibc
import HTTPClient

/// Says what went wrong on standard error, and gives the exit code to throw.
func failure(_ message: String, code: Int32 = EXIT_FAILURE) -> ExitCode {
    printToStandardError("chargefold: \(message)")
    return ExitCode(code)
}

/// Writes a line to standard error.
func printToStandardError(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    // Where standard error is gone there is nobody left to tell.
    _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// The exit code for wrong usage (`EX_USAGE` of sysexits.h), as the argument parser has it.
let usageExitCode: Int32 = 64

/// What a URL among the arguments names.
///
/// - Throws: `ValidationError` with what is wrong with it.
func endpoint(_ url: String) throws -> Endpoint {
    do throws(HTTPClientError) {
        return try Endpoint(url: url)
    } catch {
        throw ValidationError("\(error)")
    }
}

/// The exit code for an invalid configuration (`EX_CONFIG` of sysexits.h).
let configurationExitCode: Int32 = 78

/// The exit code where the system does not give what every program needs (`EX_OSERR` of sysexits.h).
let systemErrorExitCode: Int32 = 71
