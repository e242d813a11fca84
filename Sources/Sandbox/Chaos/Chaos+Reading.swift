package import SessionModel
internal import YAML

/// Why a description of chaos can't be used; a sentence for people.
package struct ChaosError: Error, CustomStringConvertible, Sendable, Equatable {
    package let description: String
}

extension Chaos {
    /// Reads a chaos file: YAML, and so JSON as well. `preset: rough` may stand in it as a start.
    package init(yaml bytes: [UInt8]) throws(ChaosError) {
        var values: [String: String] = [:]
        do throws(YAMLMapping.Failure) {
            for (name, value) in try YAMLMapping.read(bytes) {
                guard value.texts.count == 1, let text = value.texts.first else {
                    throw YAMLMapping.Failure(description: "\(name) is no number", line: value.line)
                }
                values[name] = text
            }
        } catch {
            throw ChaosError(description: (error.line.map { "line \($0): " } ?? "") + error.description)
        }
        self = .none
        try apply(values)
    }

    /// Changes what a JSON object names, and leaves the rest as it is; `"preset"` is applied first.
    package mutating func apply(_ json: CanonicalJSON) throws(ChaosError) {
        guard json.isObject else { throw ChaosError(description: "not a JSON object") }
        var values: [String: String] = [:]
        for (section, value) in json.members {
            if value.isObject {
                for (name, value) in value.members { values["\(section).\(name)"] = value.string ?? value.text }
            } else {
                values[section] = value.string ?? value.text
            }
        }
        var changed = self
        try changed.apply(values)
        self = changed
    }

    private mutating func apply(_ values: [String: String]) throws(ChaosError) {
        if let name = values["preset"] {
            guard let preset = Chaos.preset(name) else {
                let names = Chaos.presetNames.joined(separator: ", ")
                throw ChaosError(description: "there is no preset \(name); there are: \(names)")
            }
            self = preset
        }
        for (name, text) in values.sorted(by: { $0.key < $1.key }) where name != "preset" {
            guard let key = ChaosKey.all.first(where: { $0.name == name }) else {
                let names = ChaosKey.all.map(\.name).joined(separator: ", ")
                throw ChaosError(description: "\(name) is no key; there are: preset, \(names)")
            }
            let number: Double? = text == "true" ? 1 : text == "false" ? 0 : Double(text)
            guard let number, key.range.contains(number) else {
                throw ChaosError(
                    description: "\(name) must be a number from \(key.range.lowerBound) to \(key.range.upperBound)")
            }
            self[keyPath: key.path] = number
        }
        guard sessions.chargeSecondsMin <= sessions.chargeSecondsMax else {
            throw ChaosError(description: "sessions.chargeSecondsMin is more than sessions.chargeSecondsMax")
        }
    }

    /// As it can be read again, in JSON.
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        for section in ["callbacks", "sessions", "api"] {
            writer.key(section)
            writer.beginObject()
            for key in ChaosKey.all where key.name.hasPrefix(section + ".") {
                writer.key(String(key.name.dropFirst(section.count + 1)))
                writer.rawJSON(Array("\(self[keyPath: key.path])".utf8))
            }
            writer.endObject()
        }
        writer.endObject()
    }
}
