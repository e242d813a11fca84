import Dispatch
import Glibc
import HTTPServer
import Testing

struct StartStopTests {
    /// In a process of its own, so that nothing but the server opens or closes descriptors meanwhile.
    @Test func `1,000 starts and stops leave no descriptor behind`() async {
        await #expect(processExitsWith: .success) {
            // What stays open for the life of the process.
            openTimerOfDispatch()
            _ = try TestServer(workers: 2)
            let before = openDescriptors()
            for _ in 0..<1_000 { _ = try TestServer(workers: 2) }
            #expect(openDescriptors() == before)
        }
    }
}

/// Dispatch watches its threads by a timer, for which its own thread opens a descriptor some time after the first of them
/// has begun.
private func openTimerOfDispatch() {
    let fired = DispatchSemaphore(value: 0)
    DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(1)) { fired.signal() }
    fired.wait()
}

/// The number of descriptors that this process has open, but for the one that it takes to count them.
func openDescriptors() -> Int {
    guard let folder = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(folder) }
    var count = 0
    while let entry = readdir(folder) {
        if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
    }
    return count - 1
}
