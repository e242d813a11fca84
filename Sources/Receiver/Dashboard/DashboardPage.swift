import CEmbedded
import HTTPServer
import WebhookSecurity

/// `GET /dashboard`: one page with everything in it (`dashboard/`, put in by the compiler). It holds nothing secret: what it
/// shows, it asks the interface for, with a token that somebody types in.
package enum DashboardPage {
    package static let html: [UInt8] = {
        var page = String(decoding: embedded(cembedded_dashboard), as: UTF8.self)
        page.replace("@STYLE@", with: String(decoding: style, as: UTF8.self))
        page.replace("@SCRIPT@", with: String(decoding: script, as: UTF8.self))
        return Array(page.utf8)
    }()

    /// Runs that script and nothing else, and talks to this server and nobody else.
    package static let contentSecurityPolicy = """
        default-src 'none'; script-src '\(hash(of: script))'; style-src '\(hash(of: style))'; connect-src 'self'; \
        img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'
        """

    /// Coded once and for all.
    static let answer = ContentCoding.Fixed(response)

    private static let response: Response = {
        var response = Response(status: 200, contentType: "text/html; charset=utf-8", body: html)
        response.add("Content-Security-Policy", contentSecurityPolicy)
        response.add("Referrer-Policy", "no-referrer" as StaticString)
        // Asked for again each time, so that a new release is seen.
        response.add("Cache-Control", "no-cache" as StaticString)
        return response
    }()

    private static let style = embedded(cembedded_dashboard_style)
    private static let script = embedded(cembedded_dashboard_script)

    private static func hash(of content: [UInt8]) -> String {
        "sha256-" + content.withUnsafeBytes { Digest(of: $0).withUnsafeBytes { Base64.encode($0) } }
    }

    private static func embedded(_ file: (UnsafeMutablePointer<Int>?) -> UnsafePointer<UInt8>?) -> [UInt8] {
        var count = 0
        let first = file(&count)
        return Array(UnsafeBufferPointer(start: first, count: count))
    }
}

extension Operations {
    /// `GET /dashboard`
    func answerDashboard(_ call: borrowing Call<Void>) {
        call.exchange.respond(DashboardPage.answer.response(for: call.request.head))
    }
}
