import CLinux
import Glibc

/// What a system call that may be tried again came to.
enum CallResult: Sendable {
    case done(Int)
    case wouldBlock
    case failed(Int32)
}

/// The one place where results of system calls are read.
enum System {
    /// Makes a call until it is not interrupted. Errors that only a bug of ours can cause stop the process, because
    /// going on with a wrong descriptor would hit somebody else's connection.
    @inline(__always)
    static func call(_ body: () -> Int) -> CallResult {
        while true {
            let result = body()
            if result >= 0 { return .done(result) }
            let code = errno
            switch code {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case EBADF, EFAULT: preconditionFailure("system call failed with errno \(code): a bug in this process")
            default: return .failed(code)
            }
        }
    }

    /// close(2) must not be repeated after EINTR: Linux has freed the descriptor by then.
    static func close(_ descriptor: Int32) {
        if Glibc.close(descriptor) < 0, errno == EBADF {
            preconditionFailure("a descriptor was closed twice: a bug in this process")
        }
    }

    /// The soft limit of open descriptors of this process.
    static func descriptorsMax() -> Int {
        Int(clamping: clinux_descriptor_limit())
    }
}

/// A system call that failed while the server was set up.
package struct SystemError: Error, Sendable, CustomStringConvertible {
    /// The call and what it was for.
    package let call: String
    /// errno.
    package let code: Int32
    /// In words; nil: what errno says.
    private let reason: String?

    init(call: String, code: Int32, reason: String? = nil) {
        self.call = call
        self.code = code
        self.reason = reason
    }

    package var description: String { "\(call): \(reason ?? String(cString: strerror(code)))" }

    static func last(_ call: String) -> SystemError { SystemError(call: call, code: errno) }
}

/// Seconds as nanoseconds, for values that come from configuration.
func nanoseconds(_ seconds: Double) -> UInt64 {
    UInt64(max(0, min(seconds, 1e9)) * 1e9)
}
