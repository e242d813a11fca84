import ArgumentParser
internal import Base
import Glibc
import Receiver
import SessionModel
import WebhookSecurity

struct SignCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign",
        abstract: "Sign a callback body with the CURRENT secret, as the Drive API does.",
        discussion: """
            Prints the two headers of a signed callback, or with --curl a command line that posts it.

            EXAMPLE
              export CHARGEFOLD_WEBHOOK_SECRET_CURRENT=my-webhook-secret
              printf '{"event":"SESSION_STARTED","payload":%s}' \\
                '{"sessionId":"L60XMxWy0oP","timestamp":"2025-06-12T10:56:51Z"}' \\
                | chargefold sign --curl
            """
    )

    @OptionGroup var options: ConfigurationOptions

    @Argument(help: "The file that holds the body; - or nothing for standard input. Every byte counts.")
    var file = "-"

    @Flag(name: .long, help: "Print a ready curl command line in place of the headers.")
    var curl = false

    @Flag(name: .long, help: "Sign with the NEXT secret.")
    var next = false

    @Option(name: .long, help: "Where the curl command posts to; by default the configured address of this machine.")
    var to: String?

    func run() throws {
        let configuration = try options.load(for: .tool).configuration
        guard let secret = next ? configuration.webhook.secretNext : configuration.webhook.secretCurrent else {
            let name = next ? "CHARGEFOLD_WEBHOOK_SECRET_NEXT" : "CHARGEFOLD_WEBHOOK_SECRET_CURRENT"
            throw failure("no secret to sign with: set \(name), or the same in the configuration file")
        }
        let body = try InputFile.readAll(file)
        let headers = [
            (SignatureVerifier.headerName, SignatureVerifier(current: secret).sign(body)),
            (SignedAt.headerName, SystemClock.now().rfc3339),
        ]
        guard curl else {
            for (name, value) in headers { print("\(name): \(value)") }
            return
        }
        let http = configuration.http
        let host = http.host == "0.0.0.0" || http.host == "::" ? "127.0.0.1" : http.host
        let url = to ?? "http://\(host):\(http.port)/webhooks/session-events"
        guard let text = String(validating: body, as: UTF8.self), !text.utf8.contains(0) else {
            throw failure("the body is no text: post it with curl --data-binary @FILE and the headers of `sign`")
        }
        var lines = ["curl --request POST \(Shell.quote(url))", "--header 'Content-Type: application/json'"]
        lines += headers.map { "--header \(Shell.quote("\($0): \($1)"))" }
        lines.append("--data-binary \(Shell.quote(text))")
        print(lines.joined(separator: " \\\n  "))
    }
}

enum Shell {
    /// The text as one word for a POSIX shell.
    static func quote(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
