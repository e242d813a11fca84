internal import Base
import HTTPServer

extension RequestHead {
    /// The value of a field that must have but one: nil where it is not given, and where it is given more than once with
    /// values that differ something that can't be right, since which one counts is not defined. `name` in lower case.
    func soleValue(_ name: StaticString) -> UnsafeRawBufferPointer? {
        guard let first = header(name) else { return nil }
        guard isRepeated(name) else { return first }
        let lowercasedName = Array(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        for index in 0..<fieldCount {
            let field = field(index)
            if isName(field.name, lowercasedName), !field.value.elementsEqual(first) { return Self.severalValues }
        }
        return first
    }

    /// As a list the values would be separated by commas (RFC 9110 section 5.3), and a list is no signature and no time.
    private static var severalValues: UnsafeRawBufferPointer {
        let text: StaticString = ","
        return UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    private func isName(_ name: UnsafeRawBufferPointer, _ lowercasedName: [UInt8]) -> Bool {
        name.count == lowercasedName.count
            && lowercasedName.indices.allSatisfy { ASCII.lowercased(name[$0]) == lowercasedName[$0] }
    }

    /// The value of the field with this lower-case name: nil where there is none, empty where it is given more than
    /// once (which one counts is not defined, so none may match).
    func value(ofFieldNamed lowercasedName: [UInt8]) -> UnsafeRawBufferPointer? {
        var found: UnsafeRawBufferPointer?
        for index in 0..<fieldCount {
            let field = field(index)
            guard isName(field.name, lowercasedName) else { continue }
            if found != nil { return UnsafeRawBufferPointer(start: nil, count: 0) }
            found = field.value
        }
        return found
    }
}
