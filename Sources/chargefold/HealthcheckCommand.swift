import ArgumentParser
import HTTPClient
import Receiver

struct HealthcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck",
        abstract: "Ask a running receiver whether it is alive; exit with 0 if so. For a container's HEALTHCHECK.",
        discussion: """
            EXAMPLE
              chargefold healthcheck --ready
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Option(name: .long, help: "The receiver's base URL; by default where the configuration lets it listen.")
    var url: String?

    @Flag(name: .long, help: "Ask /readyz (can take events now) in place of /healthz (alive).")
    var ready = false

    func run() throws {
        let base = try url ?? Self.baseURL(options.load(for: .tool).configuration.http)
        let path = ready ? "/readyz" : "/healthz"
        do {
            let response = try HTTPConnection.get(base + path, deadlineSeconds: 3)
            guard response.status == 200 else {
                throw failure("\(base)\(path) answers \(response.status)")
            }
        } catch let error as HTTPClientError {
            throw failure("\(base)\(path): \(error)")
        }
    }

    /// Where this machine reaches a server with that configuration.
    private static func baseURL(_ http: ReceiverConfiguration.HTTP) -> String {
        if !http.listensOnTCP, let path = http.unixSocket { return "unix:\(path):" }
        let host =
            switch http.host {
            case "0.0.0.0": "127.0.0.1"
            case "::": "[::1]"
            case let address where address.contains(":"): "[\(address)]"
            default: http.host
            }
        return "http://\(host):\(http.port)"
    }
}
