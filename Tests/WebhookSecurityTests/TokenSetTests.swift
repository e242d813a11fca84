import Testing
import WebhookSecurity

@Suite struct TokenSetTests {
    private func tokens() throws -> TokenSet {
        TokenSet([
            (.init(name: "app"), try secretKey("app-token-0123456789")),
            (.init(name: "ops", scopes: ["admin"]), try secretKey("ops+token/0123456789==")),
            (.init(name: "again"), try secretKey("app-token-0123456789")),
        ])
    }

    @Test(arguments: [
        ("Bearer app-token-0123456789", "app"), ("bearer app-token-0123456789", "app"),
        ("BEARER   ops+token/0123456789==", "ops"), ("  Bearer app-token-0123456789 \t", "app"),
    ]) func `accepts each token, whatever the case of the scheme`(header: String, name: String) throws {
        guard case .accepted(let holder) = try verdict(header) else {
            Issue.record("not accepted: \(header)")
            return
        }
        #expect(holder.name == name)
        #expect(holder.scopes == (name == "ops" ? ["admin"] : []))
    }

    @Test(arguments: [
        "Bearer app-token-012345678", "Bearer app-token-01234567890", "Bearer APP-token-0123456789", "Bearer a",
        "Bearer ops+token/0123456789", "Bearer ops+token/0123456789=",
    ]) func `does not know other tokens`(header: String) throws {
        #expect(try verdict(header) == .unknown)
    }

    @Test(arguments: [
        "Bearer", "Bearer ", "Bearer\tapp-token-0123456789", "Bearerapp-token-0123456789", "Basic YTpi",
        "app-token-0123456789", "Bearer app-token-0123456789, Bearer x", "Bearer app token", "Bearer =", "Bearer a=b",
        "Bearer \"app-token-0123456789\"", "Bearer app-token-0123456789\u{0}",
    ]) func `rejects anything but Bearer and one token68`(header: String) throws {
        #expect(try verdict(header) == .malformed)
    }

    @Test func `tells a missing header`() throws {
        #expect(try verdict(nil) == .missing)
        #expect(try verdict("  ") == .missing)
        let none = TokenSet([])
        #expect(none.isEmpty)
        #expect(withBytes("Bearer x") { none.verify(authorization: $0) } == .unknown)
    }

    @Test func `knows which tokens can't be presented`() throws {
        #expect(TokenSet.isPresentable(try secretKey("abc-._~+/09==")))
        #expect(!TokenSet.isPresentable(try secretKey("two words")))
        #expect(!TokenSet.isPresentable(try secretKey("a=b")))
        #expect(!TokenSet.isPresentable(try secretKey("schlüssel")))
    }

    private func verdict(_ header: String?) throws -> TokenSet.Verdict {
        let tokens = try tokens()
        return withBytes(header) { tokens.verify(authorization: $0) }
    }
}
