import ArgumentParser
import Base
import Ledger
import Logging
import Receiver
import SessionIndex
import SessionModel
import SessionStore

/// What the `quarantine` subcommands do, with a running server or without one.
struct Quarantine {
    /// Entries in one page.
    private static let pageRows = 100

    private enum Way {
        case server(ControlSocket)
        /// The store has the right to the directory, which the ledger is opened under.
        case files(DiskSessionStore, Ledger)
    }

    private let way: Way
    private let configuration: ReceiverConfiguration

    init(_ options: ConfigurationOptions) throws {
        configuration = try options.load(for: .tool).configuration
        switch try DataDirectory.open(configuration, readOnly: false) {
        case .server(let control): way = .server(control)
        case .files(let store):
            do throws(StoreError) {
                way = .files(store, try store.ledger)
            } catch {
                store.close()
                throw failure("\(error)")
            }
        }
    }

    func list() async throws {
        defer { close() }
        try await forEachEntry { print(String(decoding: $0, as: UTF8.self)) }
    }

    func show(_ id: Int64) async throws {
        defer { close() }
        switch way {
        case .files(_, let ledger):
            guard let entry = try await reading({ () throws(StoreError) in try await ledger.quarantined(id: id) })
            else { throw Self.absent(id) }
            ServerQuestion.show(entry.json(withBody: true))
        case .server(let control):
            guard let entry = try control.find("GET", "/v1/quarantine/\(id)") else { throw Self.absent(id) }
            ServerQuestion.show(entry)
        }
    }

    /// - Parameter ids: nil for all.
    /// - Throws: an exit code, also where something was refused again, or is not there.
    func retry(_ ids: [Int64]?) async throws {
        defer { close() }
        var isRefused = false
        func show(_ result: [UInt8]) {
            print(String(decoding: result, as: UTF8.self))
            let outcome = (try? CanonicalJSON(parsing: result))?.string("outcome")
            if outcome != "accepted", outcome != "duplicate" { isRefused = true }
        }
        switch way {
        case .files(let store, let ledger):
            guard configuration.webhook.verifies || configuration.webhook.allowUnverified else {
                throw failure("no webhook secret is configured, so nothing can be verified")
            }
            let service = QuarantineService(
                store: store, ledger: ledger, authenticator: configuration.webhook.authenticator,
                bodyBytesMax: configuration.webhook.bodyBytesMax)
            try await reading { () throws(StoreError) in try await service.retry(ids) { show($0.json) } }
        case .server(let control):
            let selection = ids.map { "{\"ids\":[\($0.map(String.init).joined(separator: ","))]}" } ?? "{\"all\":true}"
            let answer = try control.send("POST", "/v1/quarantine/retry", body: Array(selection.utf8))
            for result in (try? CanonicalJSON(parsing: answer))?.member("results")?.elements ?? [] {
                show(result.bytes)
            }
        }
        if isRefused { throw ExitCode.failure }
    }

    /// - Parameter given: nil for all.
    /// - Throws: an exit code, also where one of those given is not there; the others are gone then.
    func drop(_ given: [Int64]?) async throws {
        defer { close() }
        var ids = given ?? []
        if given == nil {
            try await forEachEntry { line in
                if let id = (try? CanonicalJSON(parsing: line))?.member("id").flatMap({ Int64($0.text) }) {
                    ids.append(id)
                }
            }
        }
        if given == nil, case .files(_, let ledger) = way {
            let count = try await reading { [ids] () throws(StoreError) in try await ledger.removeQuarantined(ids) }
            return print("\(count) dropped")
        }
        var missing: [Int64] = []
        for id in ids where try await !drop(id) { missing.append(id) }
        print("\(ids.count - missing.count) dropped")
        // Of all those that were there somebody else may have dropped one meanwhile.
        if given != nil, let id = missing.first { throw Self.absent(id) }
    }

    /// - Returns: whether it was there.
    private func drop(_ id: Int64) async throws -> Bool {
        switch way {
        case .files(_, let ledger):
            try await reading { () throws(StoreError) in try await ledger.removeQuarantined([id]) } > 0
        case .server(let control): try control.find("DELETE", "/v1/quarantine/\(id)") != nil
        }
    }

    private static func absent(_ id: Int64) -> ExitCode { failure("there is no entry \(id)") }

    private func forEachEntry(_ body: ([UInt8]) -> Void) async throws {
        var last: Int64 = 0
        while true {
            switch way {
            case .files(_, let ledger):
                let entries = try await reading { [last] () throws(StoreError) in
                    try await ledger.quarantined(after: last, limit: Self.pageRows)
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

    /// - Throws: an exit code, after what the store throws was printed.
    private func reading<Value>(_ body: () async throws(StoreError) -> Value) async throws -> Value {
        do throws(StoreError) {
            return try await body()
        } catch {
            throw failure("\(error)")
        }
    }

    private func close() {
        guard case .files(let store, _) = way else { return }
        store.close()
    }
}
