/// Why a text is not JSON as RFC 8259 has it (or beyond the limits here). Never holds any of the text itself.
package struct JSONError: Error, Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        /// Breaks the grammar of RFC 8259.
        case syntax
        /// A byte sequence that is not UTF-8 (RFC 3629).
        case invalidUTF8
        /// A `\u` escape of half a surrogate pair: no text has such a value.
        case loneSurrogate
        /// An object that has a name twice: which of the two values counts is anybody's guess.
        case duplicateKey
        /// More arrays and objects within one another than the limit.
        case tooDeep
        /// A number of 10^1,000,000,000 or more, or as close to zero.
        case numberOutOfRange
    }

    package let reason: Reason
    /// Where in the text, in bytes from its start. For a duplicate key: where the name stands again.
    package let byteOffset: Int
}
