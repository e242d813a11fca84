package import Base

/// Members of an object, name and value in one call.
extension JSONWriter {
    package mutating func field(_ name: StaticString, _ value: String) {
        key(name)
        string(value)
    }

    package mutating func field(_ name: StaticString, _ value: StaticString) {
        key(name)
        string(value)
    }

    /// A member whose name is not known beforehand.
    package mutating func field(name: String, _ value: String) {
        key(name)
        string(value)
    }

    package mutating func field(_ name: StaticString, _ value: Int) {
        key(name)
        integer(value)
    }

    package mutating func field(_ name: StaticString, _ value: Int64) {
        key(name)
        integer(value)
    }

    package mutating func field(_ name: StaticString, _ value: Bool) {
        key(name)
        bool(value)
    }

    /// Left out where there is none.
    package mutating func field(_ name: StaticString, _ value: Instant?) {
        guard let value else { return }
        key(name)
        instant(value)
    }
}
