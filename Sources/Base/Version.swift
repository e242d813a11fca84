/// The release that this is.
package enum Version {
    /// As in CHANGELOG.md and docs/openapi.json.
    package static let current = "0.1.0"
}
