package import Base
internal import SQLite

/// An erasure of a person that receivers have shared: who, as a keyed digest, and which places, as the shared log has them.
package struct SharedErasureNote: Sendable, Hashable {
    package let person: [UInt8]
    package let places: String

    package init(person: [UInt8], places: String) {
        self.person = person
        self.places = places
    }
}

/// Erasures of the shared log that are done here. They are kept for ever: a shared log that has lost everything is told of
/// them again, for the receivers that have not done them yet.
extension Ledger {
    /// Durable when this returns; noting it again does nothing.
    package func noteShared(_ erasure: SharedErasureNote) throws(StoreError) {
        try write { (database) throws(SQLiteError) in
            let insert = try database.prepare("INSERT OR IGNORE INTO shared_erasure(person, places) VALUES(?1, ?2)")
            defer { insert.finalize() }
            try erasure.person.withUnsafeBufferPointer { (bytes) throws(SQLiteError) in
                insert.bindBorrowed(1, blob: UnsafeRawBufferPointer(bytes))
                insert.bind(2, text: erasure.places)
                try insert.run()
            }
        }
    }

    package func sharedErasures() throws(StoreError) -> [SharedErasureNote] {
        try run { (database) throws(SQLiteError) in
            var found: [SharedErasureNote] = []
            try database.query(
                "SELECT person, places FROM shared_erasure ORDER BY id",
                row: { found.append(SharedErasureNote(person: $0.array(0), places: $0.text(1))) })
            return found
        }
    }
}
