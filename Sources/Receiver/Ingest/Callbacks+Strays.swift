internal import Base
import HTTPServer
import Logging
import SessionModel
import WebhookSecurity

/// Callbacks at addresses that are no webhook's, or by a wrong method: a URL that was entered wrongly, a prefix that a proxy
/// has added. Each is sent once, so what verifies is kept, durably, and said; what does not is answered like anything else
/// that leads nowhere, and costs no more than the reading of its body.
extension Callbacks {
    /// Lets a request in that could be a stray callback: one with a body that carries all credentials that the
    /// configuration asks for. nil for any other.
    func admitStray(_ head: borrowing RequestHead) -> Admission? {
        guard mayBeStray(head) else { return nil }
        return .accept(bodyBytesMax: verifier.bodyBytesMax, displacesOthers: true)
    }

    /// Answers what ``admitStray(_:)`` has let in.
    ///
    /// - Parameter problem: the answer, whether it is kept or not.
    func takeStray(_ request: borrowing Request, _ problem: Problem, _ exchange: Exchange) {
        let receivedAt = clock()
        guard mayBeStray(request.head), !request.body.isEmpty, verifier.isAuthentic(request, at: receivedAt) else {
            metrics.refusedRequests.increment()
            return exchange.respond(Response(problem))
        }
        let arrival = Arrival(
            receivedAt: receivedAt, startedNanoseconds: SystemClock.monotonicNanoseconds(), means: [])
        let kept = problem.with(
            detail: "The callback is authentic, but no webhook has this method and path: it is kept in the quarantine.")
        set(
            aside: request, arrival, .stray, kept, reason: StrayQuarantine.reason(of: problem),
            exchange)
    }

    /// Whether a request has the credentials of a callback, as far as its head tells, although its route takes other bodies:
    /// a signature, which nobody else sends, or where callbacks are not signed all agreed headers.
    func mayBeCallback(_ head: borrowing RequestHead, elsewhere route: Route) -> Bool {
        guard !route.isWebhook, route.method == .post else { return false }
        if verifier.authenticator.verifiesSignatures { return head.header("x-hmac-sha512-signature") != nil }
        return verifier.authenticator.mayBeAuthentic(isSigned: false) { head.value(ofFieldNamed: $0) }
    }

    private func mayBeStray(_ head: borrowing RequestHead) -> Bool {
        guard head.hasBodyFraming, !head.isMethod("GET"), !head.isMethod("HEAD") else { return false }
        return verifier.authenticator.mayBeAuthentic(isSigned: head.header("x-hmac-sha512-signature") != nil) {
            head.value(ofFieldNamed: $0)
        }
    }

}

/// How stray callbacks in the quarantine are told from others: by the prefix of their reason. Which webhook they were meant
/// for is for their content to tell.
enum StrayQuarantine {
    private static let prefix = "STRAY_"
    static func reason(of problem: Problem) -> String {
        prefix + problem.code.uppercased().replacing("-", with: "_")
    }
    static func isStray(_ reason: String) -> Bool { reason.hasPrefix(prefix) }
}
