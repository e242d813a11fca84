import HTTPServer

extension RequestHead {
    /// The value of the field with this lower-case name: nil where there is none, empty where it is given more than
    /// once (which one counts is not defined, so none may match).
    func value(ofFieldNamed lowercasedName: [UInt8]) -> UnsafeRawBufferPointer? {
        var found: UnsafeRawBufferPointer?
        for index in 0..<fieldCount {
            let field = field(index)
            guard field.name.count == lowercasedName.count,
                lowercasedName.indices.allSatisfy({ field.name[$0].lowercasedASCII == lowercasedName[$0] })
            else { continue }
            if found != nil { return UnsafeRawBufferPointer(start: nil, count: 0) }
            found = field.value
        }
        return found
    }
}
