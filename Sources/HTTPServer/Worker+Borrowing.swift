extension Worker {
    /// Answers on the caller's thread, which is not the worker's, if the worker sleeps and there is nothing to be done but
    /// to send: one answer alone is not worth waking it for.
    ///
    /// A worker that sleeps takes the inbox's lock before it touches anything again, so whoever holds that has it to
    /// themselves.
    /// - Returns: false where the answer has to go through the inbox.
    func answerWhileAsleep(_ slot: Int, _ serial: UInt64, _ response: Response) -> Bool {
        inbox.whileAsleep {
            guard let connection = connections[slot], connection.serial == serial, connection.phase == .handling,
                connection.keepsAlive, !response.closesConnection, !isDraining,
                response.body.count <= Self.copiedBodyBytesMax,
                // What has come in meanwhile is for the worker.
                connection.input.isEmpty, !connection.mayRead, connection.pending.isEmpty
            else { return false }
            updateClock()
            answer(connection, response)
            finishTurn(connection)
            return true
        }
    }
}
