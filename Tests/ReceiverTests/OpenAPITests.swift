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
        let paths: [String: [String: Ignored]]
        struct Ignored: Decodable {
            init(from decoder: any Decoder) throws {}
        }
    }

    @Test func `the document is served as it stands in the repository`() throws {
        let file = try Data(contentsOf: URL(filePath: Self.path))
        #expect(Array(file) == OpenAPIDocument.json)
        try withApplication { server throws in
            let answer = try server.get("/openapi.json", token: nil)
            #expect(answer.status == 200)
            #expect(answer.field("Content-Type") == "application/json")
            #expect(answer.body == Array(file))
        }
    }

    @Test func `it has every resource, with the methods that the resource allows`() throws {
        let document = try JSONDecoder().decode(Document.self, from: Data(OpenAPIDocument.json))
        #expect(document.openapi == "3.1.0")
        var described: [String: String] = [:]
        for (path, operations) in document.paths {
            let concrete = path.replacing("{sessionId}", with: "s").replacing("{userId}", with: "u")
                .replacing("{id}", with: "1")
            let match = Array(concrete.utf8).withUnsafeBytes { Resource.match($0) }
            guard case .resource(let resource) = match else {
                Issue.record("\(path) is described, but it is no resource")
                continue
            }
            let methods = operations.keys.filter { $0 != "parameters" }.map { $0.uppercased() }.sorted()
            let allowed = resource.allow.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.sorted()
            #expect(methods == allowed, "\(path)")
            described[Self.name(resource)] = path
        }
        for name in Resource.kinds { #expect(described[name] != nil, "\(name) is not described") }
        #expect(described.count == Resource.kinds.count)
    }

    /// The case's name without its values.
    private static func name(_ resource: Resource) -> String {
        String("\(resource)".prefix { $0 != "(" })
    }
}
