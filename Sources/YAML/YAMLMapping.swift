internal import CYAML

/// Reads a YAML document that is a mapping of mappings, as configurations are, with libyaml.
package enum YAMLMapping {
    /// A scalar, or a list of scalars.
    package struct Value: Sendable, Equatable {
        package let texts: [String]
        /// The line of its key, from 1.
        package let line: Int
    }

    /// Why a file can't be used. Quotes nothing of it.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
        package let line: Int?

        package init(description: String, line: Int?) {
            self.description = description
            self.line = line
        }
    }

    /// The values by dotted name. A file of comments only has none.
    package static func read(_ bytes: [UInt8]) throws(Failure) -> [String: Value] {
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) != 0 else { throw Failure(description: "no memory", line: nil) }
        defer { yaml_parser_delete(&parser) }
        let result = bytes.withUnsafeBufferPointer { input in
            Result { () throws(Failure) in
                yaml_parser_set_input_string(&parser, input.baseAddress, input.count)
                return try readDocument(&parser)
            }
        }
        return try result.get()
    }

    private static func readDocument(_ parser: inout yaml_parser_t) throws(Failure) -> [String: Value] {
        var document = yaml_document_t()
        try load(&document, &parser)
        defer { yaml_document_delete(&document) }
        guard let root = yaml_document_get_root_node(&document) else { return [:] }
        var values: [String: Value] = [:]
        try collect(root, prefix: "", depth: 0, &document, &values)

        var next = yaml_document_t()
        try load(&next, &parser)
        defer { yaml_document_delete(&next) }
        if let second = yaml_document_get_root_node(&next) {
            throw Failure(description: "holds more than one document", line: line(second))
        }
        return values
    }

    private static func load(_ document: inout yaml_document_t, _ parser: inout yaml_parser_t) throws(Failure) {
        guard yaml_parser_load(&parser, &document) == 0 else { return }
        let reason = parser.problem.map { String(cString: $0) } ?? "unreadable"
        throw Failure(description: "is not YAML: \(reason)", line: Int(parser.problem_mark.line) + 1)
    }

    /// Aliases make a tree of nodes that may be entered again and again: the depth is bounded, and so is the number.
    private static func collect(
        _ node: UnsafeMutablePointer<yaml_node_t>, prefix: String, depth: Int, _ document: inout yaml_document_t,
        _ values: inout [String: Value]
    ) throws(Failure) {
        guard node.pointee.type == YAML_MAPPING_NODE else {
            // An empty document, or `~`.
            if depth == 0, scalar(node).map(isNull) == true { return }
            throw Failure(description: "must be a mapping of keys to values", line: line(node))
        }
        guard depth < 8, values.count < 10_000 else {
            throw Failure(description: "is nested too deeply", line: line(node))
        }
        var pair = node.pointee.data.mapping.pairs.start
        while let current = pair, current < node.pointee.data.mapping.pairs.top {
            pair = current + 1
            guard let key = yaml_document_get_node(&document, current.pointee.key), let name = scalar(key),
                let value = yaml_document_get_node(&document, current.pointee.value)
            else { throw Failure(description: "has a key that is no text", line: line(node)) }
            let path = prefix + name
            if value.pointee.type == YAML_MAPPING_NODE {
                try collect(value, prefix: path + ".", depth: depth + 1, &document, &values)
                continue
            }
            let texts = try texts(of: value, &document)
            guard values.updateValue(Value(texts: texts, line: line(key)), forKey: path) == nil else {
                throw Failure(description: "has the key \(path) twice", line: line(key))
            }
        }
    }

    private static func texts(
        of node: UnsafeMutablePointer<yaml_node_t>, _ document: inout yaml_document_t
    ) throws(Failure) -> [String] {
        if let text = scalar(node) { return [isNull(text) && isPlain(node) ? "" : text] }
        var texts: [String] = []
        var item = node.pointee.data.sequence.items.start
        while let current = item, current < node.pointee.data.sequence.items.top {
            item = current + 1
            guard let element = yaml_document_get_node(&document, current.pointee), let text = scalar(element) else {
                throw Failure(description: "has a list of something else than texts", line: line(node))
            }
            texts.append(text)
        }
        return texts
    }

    private static func scalar(_ node: UnsafeMutablePointer<yaml_node_t>) -> String? {
        guard node.pointee.type == YAML_SCALAR_NODE else { return nil }
        let scalar = node.pointee.data.scalar
        return String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
    }

    /// YAML's null: the key stands there without a value.
    private static func isNull(_ text: String) -> Bool {
        ["", "~", "null", "Null", "NULL"].contains(text)
    }

    private static func isPlain(_ node: UnsafeMutablePointer<yaml_node_t>) -> Bool {
        node.pointee.data.scalar.style == YAML_PLAIN_SCALAR_STYLE
    }

    private static func line(_ node: UnsafeMutablePointer<yaml_node_t>) -> Int {
        Int(node.pointee.start_mark.line) + 1
    }
}
