internal import Base

/// A data directory that is made out of something else: only where there is none, and whole or not at all.
package enum NewDataDirectory {
    /// - Parameter target: absent, or an empty directory; it is again where `body` throws.
    /// - Throws: `StoreError` where there is something, or it cannot be made; what `body` throws.
    package static func make<Value>(at target: String, _ body: () throws -> Value) throws -> Value {
        try DataDirectoryFiles.requireAbsentOrEmpty(target)
        let isMade = !FileSystem.exists(target)
        let created = isMade ? FileSystem.makeDirectory(target) : 0
        guard created == 0 else {
            throw StoreError(.directory, "cannot make \(target): \(SystemCallError(created))")
        }
        do {
            return try body()
        } catch {
            if isMade {
                FileSystem.removeTree(target)
            } else {
                FileSystem.removeContent(of: target)
            }
            throw error
        }
    }
}
