import ArgumentParser
import Base
import Dispatch
import Logging
import Receiver
import SessionIndex
import SessionStore

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make the data directory out of what `export` wrote: every delivery of every source, as it arrived.",
        discussion: """
            The states come out the same, to the byte; positions may be others, and quarantine and downtimes are not in an \
            export. Files may be compressed; - is standard input. The configured data directory must be empty or absent; \
            where anything goes wrong it is so again.

            EXAMPLE
              chargefold import log.ndjson.gz --data-directory /var/lib/chargefold
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: ArgumentHelp("What `chargefold export` wrote, in its order.", valueName: "file"))
    var files: [String]

    /// Deliveries that are made durable together.
    private static let batchCount = 4_096
    private static let batchBytes = 16 << 20

    func run() throws {
        let configuration = try options.load(for: .tool).configuration
        let bar = ProgressBar()
        do {
            let count = try NewDataDirectory.make(at: configuration.data.directory) {
                var options = configuration.storeOptions
                options.makeRoom(forBatchesOf: Self.batchCount)
                let store = try DiskSessionStore(
                    directory: configuration.data.directory, options: options,
                    logger: Logger(label: "chargefold") { _ in SwiftLogNoOpLogHandler() })
                defer { store.close() }
                let count = try read(into: store, bar)
                try store.flush()
                return count
            }
            bar.clear()
            print("\(count) deliveries: \(configuration.data.directory)")
        } catch let error as StoreError {
            bar.clear()
            throw failure("\(error)")
        } catch {
            bar.clear()
            throw error
        }
    }

    private func read(into store: DiskSessionStore, _ bar: ProgressBar) throws -> Int {
        let lines = InputLines(files)
        var count = 0
        var batch: [Delivery] = []
        var batchBytes = 0
        while let line = try lines.next() {
            guard let delivery = Delivery(exportedLine: line) else {
                throw failure("line \(count + 1) is no delivery that `export` of this release has written")
            }
            batch.append(delivery)
            batchBytes += delivery.body.count
            count += 1
            if batch.count == Self.batchCount || batchBytes >= Self.batchBytes {
                try append(batch, to: store)
                batch.removeAll(keepingCapacity: true)
                batchBytes = 0
                bar.show("importing", done: lines.bytesRead, total: lines.bytesTotal, note: "\(count) deliveries")
            }
        }
        try append(batch, to: store)
        // An `export` that failed has written nothing, and what comes of it must not look like a store.
        guard count > 0 else { throw failure("there is no delivery to import") }
        return count
    }

    private func append(_ batch: [Delivery], to store: DiskSessionStore) throws {
        let group = DispatchGroup()
        let failed = Locked<StoreError?>(nil)
        for delivery in batch {
            group.enter()
            store.append(delivery) { result in
                if case .failure(let error) = result { failed.withLock { $0 = $0 ?? error } }
                group.leave()
            }
        }
        group.wait()
        if let error = failed.withLock({ $0 }) { throw error }
    }
}
