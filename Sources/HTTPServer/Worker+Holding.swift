/// What half-sent requests hold, over all connections of the worker.
///
/// A connection reads into the worker's buffer, and only what is left of an unfinished request, or waits behind one, gets
/// memory of its own. Without a common bound that would be a body, or a head, for each connection that may be open.
extension Worker {
    /// Where the bound is near, only those get more that may displace others; the rest is for them.
    private var unprivilegedBytesMax: Int { heldBytesMax / 4 * 3 }
    /// Connections that are displaced for one that holds more.
    private static let displacedAtOnceMax = 64

    /// Takes note of what a connection holds now.
    func noteHeld(_ connection: Connection) {
        let held = connection.input.capacity
        guard held != connection.heldBytes else { return }
        heldBytes += held - connection.heldBytes
        if connection.heldBytes == 0 {
            connection.holdNumber = holders.begin(connection.slot, isHolding: isHolding)
        } else if held == 0 {
            connection.holdNumber = 0
            holders.end()
        }
        connection.heldBytes = held
    }

    private func isHolding(_ entry: HolderQueue.Entry) -> Bool { connections[entry.slot]?.holdNumber == entry.number }

    /// At the end of a connection's turn, when nothing of it is in the worker's buffers: sees to it that the worker does not
    /// hold more than it may.
    func boundHeld(_ connection: Connection) {
        guard connection.heldBytes > 0, heldBytes > unprivilegedBytesMax, !isBoundingHeld else { return }
        isBoundingHeld = true
        defer { isBoundingHeld = false }
        // Of a head nobody can say yet whose it is.
        let displaces = connection.mayDisplace || connection.phase == .reading && !connection.parser.isInBody
        guard displaces else { return giveUp(connection) }
        for _ in 0..<Self.displacedAtOnceMax where heldBytes > heldBytesMax && holders.count > 1 {
            // Whoever sends a request takes moments: who has been at it the longest is not waited for.
            guard let slot = holders.longest(isHolding: isHolding), let longest = connections[slot] else { return }
            // What is missing may be in the kernel, and its turn to come: a callback is sent once.
            let number = longest.holdNumber
            longest.mayRead = true
            turn(longest)
            if longest.holdNumber == number { giveUp(longest) }
            if longest === connection { return }
        }
    }

    private func giveUp(_ connection: Connection) {
        switch connection.phase {
        case .reading:
            if let refusal = connection.refusal.take() {
                connection.keepsAlive = false
                answer(connection, refusal)
            } else {
                fail(connection, .tooManyBodies)
            }
            connection.input.release()
            finishTurn(connection)
        case .handling, .streaming:
            // What it has sent behind the request that is being answered is not read: it may send it again elsewhere.
            connection.keepsAlive = false
            connection.input.release()
            noteHeld(connection)
        case .closing, .lingering, .closed:
            connection.input.release()
            noteHeld(connection)
        }
    }
}
