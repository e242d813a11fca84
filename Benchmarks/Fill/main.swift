import Dispatch
import Foundation
import Logging
import SessionIndex
import SessionModel
import SessionStore

// Fills a data directory with generated sessions, through the store and without the network: for measurements with millions
// of sessions, which would take most of an hour through the front door. Prints the number of events.
//
//   store-fill DIRECTORY SESSIONS SEED

let arguments = CommandLine.arguments
guard arguments.count == 4, let sessions = Int(arguments[2]), let seed = UInt64(arguments[3]) else {
    FileHandle.standardError.write(Data("usage: store-fill DIRECTORY SESSIONS SEED\n".utf8))
    exit(64)
}
var options = GeneratorOptions()
options.sessions = sessions
options.seed = seed
options.users = max(10_000, sessions / 50)
let store = try DiskSessionStore(directory: arguments[1], logger: Logger(label: "store-fill"))
// As many callers as would share a commit on a busy server.
let room = DispatchSemaphore(value: 256)

/// Again and again where it is refused because the session rows have to catch up.
@Sendable func append(_ delivery: Delivery) {
    store.append(delivery) { result in
        guard case .failure = result else { return _ = room.signal() }
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(1)) { append(delivery) }
    }
}

var events = 0
for generated in HistoryGenerator(options) {
    let delivery = Delivery(
        event: try SessionEvent.decode(generated.body), body: generated.body, receivedAt: generated.deliveredAt)
    room.wait()
    append(delivery)
    events += 1
    if events % 1_000_000 == 0 { FileHandle.standardError.write(Data("    \(events) events\n".utf8)) }
}
for _ in 0..<256 { room.wait() }
store.close()
for _ in 0..<256 { room.signal() }
print(events)
