import Base
import Dispatch
import Glibc
package import Logging
import Synchronization

/// Writes log lines to a descriptor on a queue of its own, so that a slow reader of the log never holds up an event
/// loop. What waits to be written is bounded; beyond the bound lines are dropped and their number is logged as soon
/// as there is room again.
package final class LogWriter: Sendable {
    /// Bytes that may wait to be written before lines are dropped.
    package static let pendingBytesMax = 1 << 20

    private struct Pending {
        var bytes: [UInt8] = []
        var droppedCount = 0
        var isScheduled = false
    }

    /// The least severe level that is logged; may change at any time. Asked for at each request.
    package var level: Logger.Level {
        get { Logger.Level.allCases[levelIndex.load(ordering: .relaxed)] }
        set { levelIndex.store(Self.index(newValue), ordering: .relaxed) }
    }
    private let levelIndex = Atomic(LogWriter.index(.info))

    private static func index(_ level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }

    private let descriptor: Int32
    private let queue = DispatchQueue(label: "chargefold.log-lines")
    private let pending = Locked(Pending())

    /// - Parameter descriptor: where to write, kept open by the caller; standard error by default.
    package init(descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
    }

    /// Queues one line (without its line feed). From any thread; never blocks on the descriptor.
    package func write(line: [UInt8]) {
        let mustSchedule = pending.withLock { pending in
            guard pending.bytes.count + line.count < Self.pendingBytesMax else {
                pending.droppedCount += 1
                return false
            }
            pending.bytes += line
            pending.bytes.append(UInt8(ascii: "\n"))
            defer { pending.isScheduled = true }
            return !pending.isScheduled
        }
        if mustSchedule { queue.async { self.drain() } }
    }

    /// Waits until everything queued so far is written, but not longer than `seconds`: a reader of the log that hangs
    /// must not keep the process from ending.
    package func flush(withinSeconds seconds: Int = 2) {
        let done = DispatchSemaphore(value: 0)
        queue.async {
            self.drain()
            done.signal()
        }
        _ = done.wait(timeout: .now() + .seconds(seconds))
    }

    private func drain() {
        while true {
            let bytes = pending.withLock { pending in
                if pending.droppedCount > 0 {
                    pending.bytes += Array("(\(pending.droppedCount) log lines dropped: the log was not read)\n".utf8)
                    pending.droppedCount = 0
                }
                if pending.bytes.isEmpty { pending.isScheduled = false }
                defer { pending.bytes = [] }
                return pending.bytes
            }
            guard !bytes.isEmpty else { return }
            bytes.withUnsafeBytes { write(all: $0) }
        }
    }

    private func write(all bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count < 0, errno == EINTR {
                continue
            } else if count < 0, errno == EAGAIN {
                // Somebody made the descriptor non-blocking: wait for the reader without using the processor up.
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&entry, 1, -1)
            } else {
                return  // The log's reader is gone; the service goes on without it.
            }
        }
    }
}
