/// Why a body is no session event. Holds nothing of the body, so it may be logged and answered.
package struct EventError: Error, Hashable, Sendable {
    /// Stable codes, part of the interface: they are shown in problems, metrics and the quarantine.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        case bodyTooLarge = "BODY_TOO_LARGE"
        case invalidJSON = "INVALID_JSON"
        case invalidUTF8 = "INVALID_UTF8"
        case loneSurrogate = "LONE_SURROGATE"
        case duplicateKey = "DUPLICATE_KEY"
        case tooDeep = "TOO_DEEP"
        case numberOutOfRange = "NUMBER_OUT_OF_RANGE"
        case notAnObject = "NOT_AN_OBJECT"
        case missingEvent = "MISSING_EVENT"
        case invalidEvent = "INVALID_EVENT"
        case missingPayload = "MISSING_PAYLOAD"
        case invalidPayload = "INVALID_PAYLOAD"
        case missingSessionId = "MISSING_SESSION_ID"
        case invalidSessionId = "INVALID_SESSION_ID"
        case missingTimestamp = "MISSING_TIMESTAMP"
        case invalidTimestamp = "INVALID_TIMESTAMP"
        case missingSessionStatus = "MISSING_SESSION_STATUS"
        case notARecord = "NOT_A_RECORD"
    }

    package let code: Code
    /// Where parsing stopped, in bytes from the start of the body; nil where the place says nothing.
    package let byteOffset: Int?

    package init(_ code: Code, byteOffset: Int? = nil) {
        self.code = code
        self.byteOffset = byteOffset
    }

    init(_ error: JSONError) {
        let code: Code =
            switch error.reason {
            case .syntax: .invalidJSON
            case .invalidUTF8: .invalidUTF8
            case .loneSurrogate: .loneSurrogate
            case .duplicateKey: .duplicateKey
            case .tooDeep: .tooDeep
            case .numberOutOfRange: .numberOutOfRange
            }
        self.init(code, byteOffset: error.byteOffset)
    }

    /// A sentence for people.
    package var detail: String {
        let sentence = Self.sentence(for: code)
        guard let byteOffset else { return sentence + "." }
        return "\(sentence) (at byte \(byteOffset))."
    }

    private static func sentence(for code: Code) -> String {
        switch code {
        case .bodyTooLarge: "The body is larger than the limit"
        case .invalidJSON: "The body is not valid JSON (RFC 8259)"
        case .invalidUTF8: "The body is not valid UTF-8"
        case .loneSurrogate: "A string escapes half of a surrogate pair"
        case .duplicateKey: "An object has the same name twice"
        case .tooDeep: "Objects and arrays are nested too deeply"
        case .numberOutOfRange: "A number's exponent is out of range"
        case .notAnObject: "The body is not a JSON object"
        case .missingEvent: "The member \"event\" is missing"
        case .invalidEvent: "The member \"event\" is not a non-empty string"
        case .missingPayload: "The member \"payload\" is missing"
        case .invalidPayload: "The member \"payload\" is not an object"
        case .missingSessionId: "The member \"payload.sessionId\" is missing"
        case .invalidSessionId:
            "The member \"payload.sessionId\" is not a string of 1 to 256 bytes without control characters"
        case .missingTimestamp: "The member \"payload.timestamp\" is missing"
        case .invalidTimestamp: "The member \"payload.timestamp\" is not an RFC 3339 timestamp"
        case .missingSessionStatus: "The member \"payload.sessionStatus\" of a Drive API session is missing"
        case .notARecord: "The body is no charge detail record: it tells no more than a session event does"
        }
    }
}
