internal import Base
internal import COpenSSL

/// What a callback presented as credentials, kept with a quarantined body so that it can be verified again once a
/// wrong configuration has been put right.
///
/// The signature and its time are kept as they came: they open nothing. Of every other field that may have been an
/// agreed header, name and a keyed digest of the value are kept (HMAC-SHA256 under a salt of its own), so that a value
/// can be recognised but not read. All fields count, not only the configured ones: the configured name may be what is
/// wrong.
package struct CredentialEvidence: Sendable {
    /// Fields kept at most; more are ignored.
    package static let fieldsMax = 32
    /// The longest field name, signature and time that are kept, in bytes.
    package static let textBytesMax = 128

    private static let version: UInt8 = 1
    private static let saltCount = 16

    private var salt: [UInt8]
    private var signature: [UInt8]?
    private var signedAt: [UInt8]?
    private var fields: [(name: [UInt8], digest: [UInt8])] = []

    /// Begins with the two headers of the signature. What is longer than ``textBytesMax`` can't be right and is
    /// kept cut off.
    package init(signature: UnsafeRawBufferPointer?, signedAt: UnsafeRawBufferPointer?) {
        salt = [UInt8](unsafeUninitializedCapacity: Self.saltCount) { bytes, count in
            // Without entropy (never seen on Linux) the salt is zeros: the digests stay comparable.
            bytes.initialize(repeating: 0)
            _ = RAND_bytes(bytes.baseAddress, Int32(bytes.count))
            count = Self.saltCount
        }
        self.signature = signature.map { Array($0.prefix(Self.textBytesMax)) }
        self.signedAt = signedAt.map { Array($0.prefix(Self.textBytesMax)) }
    }

    /// Adds a field of the request. Fields that every client sends are left out.
    package mutating func add(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
        let value = value.trimmingOptionalWhitespace
        guard fields.count < Self.fieldsMax, !name.isEmpty, name.count <= Self.textBytesMax else {
            return
        }
        let name = lowercased(name)
        guard !ordinaryNames.contains(name) else { return }
        // A field that comes twice can't match; see FieldLookup.
        if let index = fields.firstIndex(where: { $0.name == name }) {
            fields[index].digest = [UInt8](repeating: 0, count: Digest.count)
        } else {
            fields.append((name, digest(of: Digest(of: value))))
        }
    }

    private func digest(of value: Digest) -> [UInt8] {
        salt.withUnsafeBytes { key in
            value.withUnsafeBytes { Digest(authenticating: $0, key: key).withUnsafeBytes { Array($0) } }
        }
    }

    /// `nil` when no such field was presented.
    func matches(_ header: AuthorizationHeaders.Agreed) -> Bool? {
        guard let presented = fields.first(where: { $0.name == header.lowercasedName }) else { return nil }
        return digest(of: header.digest).withUnsafeBytes { expected in
            presented.digest.withUnsafeBytes { $0.isEqualInConstantTime(to: expected) }
        }
    }

    func withSignature<Result>(
        _ body: (_ signature: UnsafeRawBufferPointer?, _ signedAt: UnsafeRawBufferPointer?) -> Result
    ) -> Result {
        (signature ?? []).withUnsafeBytes { signatureBytes in
            (signedAt ?? []).withUnsafeBytes {
                body(signature == nil ? nil : signatureBytes, signedAt == nil ? nil : $0)
            }
        }
    }
}

extension CredentialEvidence {
    /// A compact form for the store: version, salt, then tagged entries of name and value with their lengths.
    package var encoded: [UInt8] {
        var output = [Self.version] + salt
        func append(_ kind: UInt8, _ name: [UInt8], _ value: [UInt8]) {
            output.append(contentsOf: [kind, UInt8(name.count), UInt8(value.count)])
            output.append(contentsOf: name)
            output.append(contentsOf: value)
        }
        if let signature { append(1, [], signature) }
        if let signedAt { append(2, [], signedAt) }
        for field in fields { append(3, field.name, field.digest) }
        return output
    }

    /// Reads ``encoded`` back.
    ///
    /// - Returns: `nil` for anything that this version has not written.
    package init?(decoding bytes: some Collection<UInt8>) {
        var rest = Array(bytes)[...]
        func take(_ count: Int) -> [UInt8]? {
            guard rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        guard take(1) == [Self.version], let salt = take(Self.saltCount) else { return nil }
        self.salt = salt
        while !rest.isEmpty {
            guard let head = take(3), let name = take(Int(head[1])), let value = take(Int(head[2])) else { return nil }
            switch head[0] {
            case 1 where name.isEmpty && value.count <= Self.textBytesMax: signature = value
            case 2 where name.isEmpty && value.count <= Self.textBytesMax: signedAt = value
            case 3 where !name.isEmpty && value.count == Digest.count && fields.count < Self.fieldsMax:
                fields.append((name, value))
            default: return nil
            }
        }
    }
}

extension CallbackAuthenticator {
    /// Checks a quarantined body with what it came with.
    ///
    /// - Parameter receivedAtSeconds: when it came, in seconds since 1970: freshness is judged for that time.
    package func authenticate(
        body: UnsafeRawBufferPointer, evidence: CredentialEvidence, receivedAtSeconds: Int64
    ) -> CallbackAuthentication {
        evidence.withSignature { presented, signedAt in
            combine(
                signature: signature?.verify(body: body, signature: presented),
                freshness: freshness?.verify(signedAt: signedAt, nowSeconds: receivedAtSeconds),
                headers: headers?.verify(evidence.matches)
            )
        }
    }
}
