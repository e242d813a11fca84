import Base
import Foundation
import HTTPClient
import Receiver
import Testing

/// The description of the interface against what is served. Whether answers are as described is for `scripts/api-test`.
@Suite struct OpenAPITests {
    private static let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/openapi.json").path(percentEncoded: false)

    private struct Document: Decodable {
        let openapi: String
        let info: Info
        let paths: [String: [String: Entry]]
    }

    private struct Info: Decodable {
        let version: String
    }

    /// An operation, or the parameters that all operations of a path have.
    private struct Entry: Decodable {
        /// Each is a way in; none at all: open to everybody.
        var security: [[String: [String]]] = []

        private enum Key: CodingKey {
            case security
        }

        init(from decoder: any Decoder) throws {
            guard let members = try? decoder.container(keyedBy: Key.self) else { return }
            security = try members.decode([[String: [String]]].self, forKey: .security)
        }

        var schemes: Set<String> { Set(security.map { $0.keys.first ?? "nothing" }) }
    }

    @Test func `the document is served as it stands in the repository`() throws {
        let file = try [UInt8](Data(contentsOf: URL(filePath: Self.path)))
        #expect(file == OpenAPIDocument.json)
        try withApplication { server throws in
            let answer = try server.get("/openapi.json", token: nil)
            #expect(answer.status == 200)
            #expect(answer.field("Content-Type") == "application/json")
            #expect(answer.body == file)
        }
    }

    @Test func `it has every route, and no other`() throws {
        let document = try JSONDecoder().decode(Document.self, from: Data(OpenAPIDocument.json))
        #expect(document.openapi == "3.1.0" && document.info.version == Version.current)
        let described = document.paths.flatMap { path, operations in
            operations.keys.filter { $0 != "parameters" }.map { "\($0.uppercased()) \(path)" }
        }
        // HEAD goes with GET.
        let served = Route.all.map { "\($0.method.name) \($0.path.text)" }
        #expect(described.sorted() == served.sorted())
    }

    @Test func `it has the query parameters of each route, and no other`() throws {
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(OpenAPIDocument.json)) as? [String: Any])
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        for route in Route.all {
            guard let names = route.query else { continue }
            let operation = paths[route.path.text]?[route.method.name.lowercased()]
            let parameters = (operation as? [String: Any])?["parameters"] as? [[String: Any]] ?? []
            let described = parameters.filter { $0["in"] as? String == "query" }.compactMap { $0["name"] as? String }
            #expect(described.sorted() == names.sorted(), "\(route.path.text)")
        }
    }

    @Test func `it says who may what, as the routes do`() throws {
        let document = try JSONDecoder().decode(Document.self, from: Data(OpenAPIDocument.json))
        for route in Route.all {
            let entry = try #require(document.paths[route.path.text]?[route.method.name.lowercased()])
            // Apps that were written for the Drive API send its header.
            #expect(entry.schemes == Self.schemes(route.access), "\(route.method.name) \(route.path.text)")
        }
    }

    private static func schemes(_ access: AccessKind) -> Set<String> {
        switch access {
        case .anybody: []
        case .callbacks: ["callbackSignature", "agreedHeaders", "nothing"]
        case .reading, .readingUser: ["readToken", "userToken", "adminToken"]
        case .readingEverything: ["readToken", "adminToken"]
        case .actingUpstream, .actingForUser: ["actToken", "actUserToken", "adminToken", "apiKey"]
        case .acting: ["actToken", "actUserToken", "adminToken"]
        case .readingForUser: ["readToken", "userToken", "adminToken", "apiKey"]
        case .operating: ["adminToken"]
        }
    }
}
