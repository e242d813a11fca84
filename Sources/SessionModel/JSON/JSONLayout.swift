internal import Base

/// JSON as people read it.
package enum JSONLayout {
    /// The same value with a line a member and an element, indented by two blanks; what is empty stays on its line.
    /// - Parameter json: a JSON text (RFC 8259), which is not checked.
    package static func indented(_ json: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        var depth = 0
        var isInString = false
        var isEscaped = false
        /// Behind a bracket that may be closed at once.
        var isFirst = false
        func newLine() -> [UInt8] { [ASCII.lf] + [UInt8](repeating: UInt8(ascii: " "), count: 2 * depth) }
        for byte in json {
            if isInString {
                text.append(byte)
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else {
                    isInString = byte != UInt8(ascii: "\"")
                }
                continue
            }
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), ASCII.lf, ASCII.cr: continue
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth = max(0, depth - 1)
                if !isFirst { text += newLine() }
            default:
                if isFirst { text += newLine() }
            }
            isFirst = false
            text.append(byte)
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                isFirst = true
            case UInt8(ascii: ","): text += newLine()
            case UInt8(ascii: ":"): text.append(UInt8(ascii: " "))
            case UInt8(ascii: "\""): isInString = true
            default: break
            }
        }
        return text
    }
}
