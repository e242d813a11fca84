import ArgumentParser
import HTTPClient
import Receiver

struct HealthcheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck",
        abstract: "Ask a running receiver whether it is alive; exit with 0 if so. For a container's HEALTHCHECK.",
        discussion: """
            Asks where the configuration lets it listen, as others do; with --data-directory through the control socket there, \
            which tells of the server of that directory and of no other, wherever it listens.

            EXAMPLE
              chargefold healthcheck --ready
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Option(
        name: .long, help: "The receiver's base URL, in place of where the configuration lets it listen.",
        transform: endpoint)
    var url: Endpoint?

    @Flag(name: .long, help: "Ask /readyz (can take events now) in place of /healthz (alive).")
    var ready = false

    func run() throws {
        do {
            let endpoint = try url ?? here()
            var client = ClientOptions()
            client.connectSeconds = 2
            client.responseSeconds = 2
            let path = ready ? "/readyz" : "/healthz"
            let response = try HTTPConnection(endpoint, options: client).send(
                ClientRequest(method: "GET", target: path))
            guard response.status == 200 else { throw failure("\(endpoint): \(path) answers \(response.status)") }
        } catch let error as HTTPClientError {
            throw failure("\(error)")
        }
    }

    /// Where it is asked: where callbacks come in, unless a directory says which server is meant.
    private func here() throws -> Endpoint {
        let configuration = try options.load(for: .tool).configuration
        guard options.dataDirectory != nil else { return Self.configured(configuration.http) }
        if let obstacle = ControlSocket.obstacle(configuration) { throw failure(obstacle) }
        return ControlSocket.endpoint(configuration)
    }

    /// Where this machine reaches a server with that configuration.
    private static func configured(_ http: ReceiverConfiguration.HTTP) -> Endpoint {
        if !http.listensOnTCP, let path = http.unixSocket { return Endpoint(transport: .unix(path: path)) }
        let host =
            switch http.host {
            case "0.0.0.0": "127.0.0.1"
            case "::": "::1"
            default: http.host
            }
        return Endpoint(transport: .tcp(host: host, port: UInt16(http.port)))
    }
}
