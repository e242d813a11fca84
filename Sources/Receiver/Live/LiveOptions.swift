/// The bounds and rhythms of live updates.
package struct LiveOptions: Sendable {
    /// From one look at the clock to the next.
    package var tickMilliseconds = 500
    /// What time alone brings is told this much later, so that deliveries received before it come first.
    package var graceMilliseconds = 250
    /// Between two comments that keep a silent stream open.
    package var heartbeatSeconds = 15
    /// Bytes that wait for a slow reader, where that is less than what the server keeps for a stream; beyond it the reader is
    /// cut off, and can resume.
    package var bufferBytesMax = Int.max
    /// Streams and long polls at once; beyond it the answer is 503.
    package var subscribersMax = 20_000
    /// The same of one token that sees some users' sessions only.
    package var subscribersOfUserMax = 32
    /// Bytes of changes that wait to be told; beyond it they are dropped, and everybody who listens goes on from the log.
    package var queueBytesMax = 16 << 20
    /// Bytes that all streams together hold back while they resume; beyond it their readers resume.
    package var heldBytesMax = 16 << 20
    /// Changes, and rows of the log, that a resuming stream finds out about before it tells of them.
    package var resumptionRowsMax = 50_000
    /// Bytes of records, half told, that all resuming streams keep together; one that is not kept is made again.
    package var resumptionBytesMax = 16 << 20
    /// Facts that records have together which are read at once, about.
    package var factsPerPage = 50_000
    /// The time that passes, from any beginning; nil: by the clock that instants come from, as tests want it.
    package var elapsedMicroseconds: (@Sendable () -> Int64)?
    /// Off: only `LiveHub.tick()` looks at the clock. For tests that choose the moment.
    package var ticksAutomatically = true

    package init() {}
}
