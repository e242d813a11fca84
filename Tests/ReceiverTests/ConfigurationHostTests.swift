import Receiver
import Testing

@Suite struct ConfigurationHostTests {
    private static let secret = ["CHARGEFOLD_WEBHOOK_SECRET_CURRENT": "a-secret-for-the-tests"]

    @Test(arguments: ["*", "*:8080", "[::]", "http://0.0.0.0", "0.0.0.0/0", "two words"])
    func `a host that is no address and no name is refused with what is allowed`(host: String) {
        let found = problems(Self.secret + ["CHARGEFOLD_HTTP_HOST": host])
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("http.host (environment CHARGEFOLD_HTTP_HOST)") == true)
        #expect(found.first?.contains("0.0.0.0: all of IPv4") == true)
    }

    @Test(arguments: ["0.0.0.0", "::", "::1", "fe80::1%eth0", "localhost", "my_host.example"])
    func `a host that may be one is for the resolver`(host: String) {
        #expect(problems(Self.secret + ["CHARGEFOLD_HTTP_HOST": host]).isEmpty)
    }
}
