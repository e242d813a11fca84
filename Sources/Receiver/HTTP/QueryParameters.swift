internal import Base
import SessionModel

/// The parameters of a query string (`name=value&…`, percent-encoded). Names must not repeat.
package struct QueryParameters {
    private var values: [String: String] = [:]

    /// nil where an encoding is invalid or a name is given twice. No query means no parameters.
    package init?(_ query: UnsafeRawBufferPointer?) {
        guard let query, !query.isEmpty else { return }
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let rawValue = end < pair.endIndex ? pair[(end + 1)...] : pair[pair.endIndex...]
            guard let name = PercentEncoding.decode(pair[..<end], plusIsSpace: true),
                let value = PercentEncoding.decode(rawValue, plusIsSpace: true),
                values.updateValue(value, forKey: name) == nil
            else { return nil }
        }
    }

    /// Those of a request.
    /// - Throws: where an encoding is invalid or a name is given twice.
    init(of query: UnsafeRawBufferPointer?) throws(Problem) {
        guard let parameters = Self(query) else {
            throw .malformedQuery.with(detail: "A name is given twice, or something is no UTF-8 in percent-encoding.")
        }
        self = parameters
    }

    package subscript(name: String) -> String? { values[name] }

    package var names: some Collection<String> { values.keys }

    /// - Throws: with its name, where one is given that is not known.
    func check(known: Set<String>) throws(Problem) {
        guard let name = values.keys.filter({ !known.contains($0) }).min() else { return }
        throw .malformedQuery.with(
            detail: "There is no parameter \(name.prefix(64)) here.\(NearestName.hint(name, among: known))")
    }

    /// The number given: nil where there is none, `.some(nil)` where it is no number in the range.
    func integer(_ name: String, in range: ClosedRange<Int64>) -> Int64?? {
        guard let text = values[name] else { return nil }
        guard let number = Int64(text), range.contains(number) else { return .some(nil) }
        return .some(number)
    }
}

extension QueryParameters {
    /// The number given, or where there is none another.
    /// - Throws: with the name, where it is no number in the range.
    func number(_ name: String, in range: ClosedRange<Int64>, else usual: Int64) throws(Problem) -> Int64 {
        guard let number = integer(name, in: range) ?? .some(usual) else {
            let most = range.upperBound == .max ? "on" : "to \(range.upperBound)"
            throw .malformedQuery.with(detail: "\(name) must be a whole number from \(range.lowerBound) \(most).")
        }
        return number
    }
}

extension CanonicalJSON {
    /// Looks whether a body of ours has other members than these. One that is no object is for others to refuse.
    static func checkMembers(of body: [UInt8], names: Set<String>) throws(Problem) {
        guard let json = try? CanonicalJSON(parsing: body), json.isObject else { return }
        guard let name = json.members.map(\.name).first(where: { !names.contains($0) }) else { return }
        throw .unknownMember.with(
            detail: "There is no member \(name.prefix(64)) here.\(NearestName.hint(name, among: names))")
    }
}

extension Problem {
    static let unknownMember = Problem(400, "unknown-member", "The body has a member that is not known.")
}
