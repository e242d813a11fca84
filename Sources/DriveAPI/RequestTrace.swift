/// What names a request across programs, and goes upstream with the calls that it leads to: `X-Request-Id`, and W3C's
/// `traceparent`. Whoever makes one has looked that both are of a form that is safe in a field.
package struct RequestTrace: Sendable, Equatable {
    package var id: String?
    package var traceparent: String?

    /// Of what nobody has asked for.
    package static let none = RequestTrace(id: nil, traceparent: nil)

    package init(id: String?, traceparent: String?) {
        self.id = id
        self.traceparent = traceparent
    }

    /// The field that `id` comes and goes by.
    static let idField = "X-Request-Id"

    var fields: [(name: String, value: String)] {
        [(Self.idField, id), ("traceparent", traceparent)].compactMap { name, value in value.map { (name, $0) } }
    }
}
