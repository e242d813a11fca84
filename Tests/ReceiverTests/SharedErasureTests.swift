import Base
import Foundation
import HTTPClient
import PostgresTestSupport
import Receiver
import Testing

/// Erasures on two receivers with one database, over HTTP.
@Suite(.enabled(if: PostgresServer.isInstalled), .serialized) struct SharedErasureTests {
    private let receivers = SharedReceivers()

    private static func body(_ session: String, _ user: String, _ event: String = "SESSION_STARTED") -> [UInt8] {
        Callback.body(event, session, extra: #","userId":"\#(user)""#)
    }

    @Test func `a user is gone everywhere, also at a receiver that was away`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            let directory = TestDirectory()
            try receivers.with("a", database) { a in
                try receivers.with("b", database, in: directory) { b in
                    try receivers.warmUp(a)
                    try receivers.warmUp(b)
                    try a.expectReplicated(Self.body("gone-1", "leaver"))
                    try b.expectReplicated(Self.body("gone-2", "leaver"))
                    try b.expectReplicated(Self.body("kept", "stayer"))
                    #expect(try b.get("/v1/sessions/gone-1").status == 200)
                    #expect(try a.get("/v1/sessions/gone-2").status == 200)
                }
                // While one is away: it is said who still has to.
                let answer = try a.get("/v1/users/leaver", method: "DELETE", token: SharedReceivers.adminToken)
                #expect(answer.status == 202)
                #expect(String(decoding: answer.body, as: UTF8.self).contains(#""outstanding":["b"]"#))
                #expect(try a.get("/v1/sessions/gone-1").status == 404)
                #expect(try receivers.rows(naming: "leaver", database) == "0")
                try receivers.with("b", database, in: directory) { b in
                    try eventually("it is erased there, too") {
                        try a.get("/v1/users/leaver", method: "DELETE", token: SharedReceivers.adminToken).status == 200
                    }
                    for session in ["gone-1", "gone-2"] {
                        #expect(try a.get("/v1/sessions/\(session)").status == 404)
                        #expect(try b.get("/v1/sessions/\(session)").status == 404)
                    }
                    #expect(try b.get("/v1/sessions/kept").status == 200)
                    #expect(try receivers.rows(naming: "stayer", database) == "1")
                    #expect(try receivers.rows(naming: "leaver", database) == "0")
                    // Somebody who begins with an empty directory gets nothing of it.
                    try receivers.with("c", database) { c in
                        try eventually("it has everything") { try c.get("/v1/sessions/kept").status == 200 }
                        #expect(try c.get("/v1/sessions/gone-2").status == 404)
                    }
                }
            }
        }
    }

    @Test func `a user is gone also where the database has lost that it was asked for`() async throws {
        let database = try PostgresServer.common.get()
        try await onThread { [receivers] in
            let directory = TestDirectory()
            try receivers.with("a", database) { a in
                try receivers.with("b", database, in: directory) { b in
                    try receivers.warmUp(a)
                    try receivers.warmUp(b)
                    try b.expectReplicated(Self.body("gone", "leaver"))
                    #expect(try a.get("/v1/sessions/gone").status == 200)
                }
                let answer = try a.get("/v1/users/leaver", method: "DELETE", token: SharedReceivers.adminToken)
                #expect(answer.status == 202)
                _ = try receivers.query(database) { "drop schema \($0) cascade" }
                try receivers.warmUp(a, "again")
                try receivers.with("b", database, in: directory) { b in
                    try eventually("it is erased there, too") {
                        try b.get("/v1/sessions/gone").status == 404
                            && receivers.rows(naming: "leaver", database) == "0"
                    }
                    #expect(try a.get("/v1/sessions/gone").status == 404)
                }
            }
        }
    }

    @Test func `without the database nothing is begun, and it is said`() async throws {
        let database = try PostgresServer()
        try await onThread { [receivers] in
            try receivers.with("a", database, change: { $0.replication.localAfterMilliseconds = 500 }) { a in
                try receivers.warmUp(a)
                #expect(try a.post(Self.body("s", "leaver")).status == 200)
                try database.stop()
                let answer = try a.get("/v1/users/leaver", method: "DELETE", token: SharedReceivers.adminToken)
                #expect(answer.status == 503)
                #expect(String(decoding: answer.body, as: UTF8.self).contains("shared-log-away"))
                #expect(try a.get("/v1/sessions/s").status == 200)
                try database.start()
                try eventually("it is done") {
                    try a.get("/v1/users/leaver", method: "DELETE", token: SharedReceivers.adminToken).status == 200
                }
                #expect(try a.get("/v1/sessions/s").status == 404)
            }
        }
    }
}
