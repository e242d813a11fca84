import Base
import Dispatch
import Receiver
import SessionModel
import SessionStore

/// What the `quarantine` subcommands do, with a running server or without one.
struct Quarantine {
    /// Entries in one page.
    private static let pageRows = 100

    private let directory: DataDirectory
    private let configuration: ReceiverConfiguration

    init(_ options: ConfigurationOptions) throws {
        configuration = try options.load(for: .tool).configuration
        directory = try DataDirectory.open(configuration, readOnly: false)
    }

    func list() throws {
        try forEachEntry { print(String(decoding: $0, as: UTF8.self)) }
    }

    func show(_ id: Int64) throws {
        switch directory {
        case .files(let store):
            defer { store.close() }
            let entry = try reading { () throws(StoreError) in try store.quarantined(id: id) }
            guard let entry else { throw failure("there is no entry \(id)") }
            print(String(decoding: entry.json(withBody: true), as: UTF8.self))
        case .server(let control):
            print(String(decoding: try control.send("GET", "/v1/quarantine/\(id)"), as: UTF8.self))
        }
    }

    /// - Parameter ids: nil for all.
    func retry(_ ids: [Int64]?) throws {
        switch directory {
        case .files(let store):
            defer { store.close() }
            guard configuration.webhook.verifies || configuration.webhook.allowUnverified else {
                throw failure("no webhook secret is configured, so nothing can be verified")
            }
            let service = QuarantineService(
                store: store, authenticator: configuration.webhook.authenticator,
                bodyBytesMax: configuration.webhook.bodyBytesMax)
            try reading { () throws(StoreError) in
                try service.retry(ids) { print(String(decoding: $0.json, as: UTF8.self)) }
            }
        case .server(let control):
            let selection = ids.map { "{\"ids\":[\($0.map(String.init).joined(separator: ","))]}" } ?? "{\"all\":true}"
            let answer = try control.send("POST", "/v1/quarantine/retry", body: Array(selection.utf8))
            printElements(of: "results", in: answer)
        }
    }

    /// - Parameter ids: nil for all.
    func drop(_ ids: [Int64]?) throws {
        var ids = ids ?? []
        if ids.isEmpty {
            try forEachEntry { line in
                if let id = (try? CanonicalJSON(parsing: line))?.member("id").flatMap({ Int64($0.text) }) {
                    ids.append(id)
                }
            }
        }
        switch directory {
        case .files(let store):
            defer { store.close() }
            let done = DispatchSemaphore(value: 0)
            let removed = Locked<Result<Int, StoreError>>(.success(0))
            store.removeQuarantined(ids) { result in
                removed.withLock { $0 = result }
                done.signal()
            }
            done.wait()
            let count = try reading { () throws(StoreError) in try removed.withLock { $0 }.get() }
            print("\(count) dropped")
        case .server(let control):
            for id in ids { _ = try control.send("DELETE", "/v1/quarantine/\(id)") }
            print("\(ids.count) dropped")
        }
    }

    private func forEachEntry(_ body: ([UInt8]) -> Void) throws {
        var last: Int64 = 0
        while true {
            switch directory {
            case .files(let store):
                let entries = try reading { () throws(StoreError) in
                    try store.quarantined(after: last, limit: Self.pageRows, kind: nil)
                }
                guard let newest = entries.last else { return }
                for entry in entries { body(entry.json(withBody: false)) }
                last = newest.id
            case .server(let control):
                let page = try control.send("GET", "/v1/quarantine?after=\(last)&limit=\(Self.pageRows)")
                let value = try? CanonicalJSON(parsing: page)
                for entry in value?.member("entries")?.elements ?? [] { body(entry.bytes) }
                guard let next = value?.member("after").flatMap({ Int64($0.text) }) else { return }
                last = next
            }
        }
    }

    private func printElements(of member: StaticString, in answer: [UInt8]) {
        for element in (try? CanonicalJSON(parsing: answer))?.member(member)?.elements ?? [] { print(element.text) }
    }

    private func reading<Value>(_ body: () throws(StoreError) -> Value) throws -> Value {
        do throws(StoreError) {
            return try body()
        } catch {
            throw failure("\(error)")
        }
    }
}
