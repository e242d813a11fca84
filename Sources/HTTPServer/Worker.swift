internal import Base
import CLinux
import Glibc
import Synchronization

/// What the workers of a server share.
final class SharedState: Sendable {
    let connectionsOpen = Atomic<Int>(0)
    /// Those of them that are only being told 503.
    let connectionsShed = Atomic<Int>(0)
    /// Bytes that wait in streams.
    let streamBytes = Atomic<Int>(0)
    let connectionsMax: Int
    var connectionsServed: Int {
        connectionsOpen.load(ordering: .relaxed) - connectionsShed.load(ordering: .relaxed)
    }

    init(connectionsMax: Int) {
        self.connectionsMax = connectionsMax
    }
}

/// One event loop: one block on one serial queue, with listeners, an epoll and connections of its own.
///
/// Unchecked: everything but `inbox`, `counters` and the constants is touched only by the thread that runs `run`, or with
/// the inbox's lock held while the worker sleeps (`answerWhileAsleep`).
final class Worker: @unchecked Sendable {
    static let wakeSlot: UInt32 = .max
    static let firstListenerSlot: UInt32 = .max - 1_000
    static let readBufferBytes = 65_536
    /// Bodies up to this size are copied behind their head, larger ones are sent from where they are.
    static let copiedBodyBytesMax = 16_384
    static let eventsPerTurnMax = 256

    let limits: Limits
    let parserLimits: ParserLimits
    let handler: any RequestHandler
    let shared: SharedState
    let inbox: Inbox
    let counters = WorkerCounters()
    let accept: AcceptCall
    let epoll: Int32
    private let threadNumber = Atomic<UInt>(0)

    var listeners: [Listener]
    var isAccepting = true
    var acceptResumesAt: UInt64?

    var connections: [Connection?] = []
    var generations: [UInt32] = []
    var freeSlots: [Int] = []
    var openCount = 0
    var shedCount = 0
    var deadlines: DeadlineQueue
    /// Nanoseconds from an answer to the earliest deadline that it can start.
    let deadlineAfterAnswerMin: UInt64
    let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Worker.readBufferBytes, alignment: 64)
    var output = OutputBuffer(capacity: 131_072)

    /// What connections hold of requests that are not complete, and who does.
    var heldBytes = 0
    let heldBytesMax: Int
    var holders = HolderQueue()
    var isBoundingHeld = false

    var nextSerial: UInt64 = 0
    /// The request whose handler is running.
    var currentSerial: UInt64 = 0
    /// Work that came up on this thread in the middle of other work.
    var deferred: [InboxItem] = []
    var isRunningDeferred = false
    /// Connections that used up their turn with more to read.
    var unfinished: [Int] = []
    /// Requests that the connection whose turn it is may still have answered in it.
    var requestsLeft = 0
    /// When its turn is over, on the monotonic clock; nil before its second request.
    var turnEnd: UInt64?

    var now: UInt64 = 0
    var dateSecond = -1
    /// CR LF, the Date field and CR LF.
    var dateLine: [UInt8] = []

    var drainDeadline: UInt64?
    var isDraining: Bool { drainDeadline != nil }
    /// While draining: until when connections on which nothing has come yet are kept.
    var newcomersWaitUntil: UInt64?

    init(
        listeners: [Listener], limits: Limits, workerCount: Int, handler: any RequestHandler, shared: SharedState,
        accept: @escaping AcceptCall
    ) throws(SystemError) {
        heldBytesMax = max(1, limits.requestBytesMax / workerCount)
        self.accept = accept
        self.listeners = listeners
        self.limits = limits
        self.parserLimits = ParserLimits(limits)
        self.handler = handler
        self.shared = shared
        deadlines = DeadlineQueue { kind in
            switch kind {
            case .none: 0
            case .idle: nanoseconds(limits.idleTimeoutSeconds)
            case .header: nanoseconds(limits.headerTimeoutSeconds)
            case .body: nanoseconds(min(limits.rateWindowSeconds, limits.bodyTimeoutSeconds))
            case .handler: nanoseconds(limits.handlerSeconds)
            case .write: nanoseconds(limits.rateWindowSeconds)
            case .linger: nanoseconds(limits.lingerSeconds)
            }
        }
        deadlineAfterAnswerMin = min(nanoseconds(limits.idleTimeoutSeconds), nanoseconds(limits.rateWindowSeconds))
        epoll = clinux_epoll_create()
        // The listeners are the worker's from here on, and nobody else will close them.
        guard epoll >= 0 else {
            let error = SystemError.last("epoll_create")
            Self.close(listeners)
            throw error
        }
        let wake = clinux_eventfd()
        guard wake >= 0 else {
            let error = SystemError.last("eventfd")
            System.close(epoll)
            Self.close(listeners)
            throw error
        }
        inbox = Inbox(wakeDescriptor: wake)
        // Edge-triggered: nobody ever has to read the counter.
        let flags = UInt32(CLINUX_EPOLLIN) | UInt32(CLINUX_EPOLLET)
        guard clinux_epoll_add(epoll, wake, flags, UInt64(Self.wakeSlot)) == 0 else {
            let error = SystemError.last("epoll_ctl")
            closeDescriptors()
            throw error
        }
        guard watchListeners() else {
            let error = SystemError.last("epoll_ctl")
            closeDescriptors()
            throw error
        }
    }

    deinit { readBuffer.deallocate() }

    /// Closes what the worker owns, its listeners included; for a worker that never ran, or that has ended.
    func closeDescriptors() {
        for case .openStream(let core, _) in inbox.close() { core.close() }
        Self.close(listeners)
        listeners = []
        System.close(inbox.wakeDescriptor)
        System.close(epoll)
    }

    private static func close(_ listeners: [Listener]) {
        for listener in listeners where !listener.isShared { System.close(listener.descriptor) }
    }

    var isCurrentThread: Bool { threadNumber.load(ordering: .relaxed) == UInt(pthread_self()) }

    /// The loop. Returns when the worker was drained.
    func run() {
        threadNumber.store(UInt(pthread_self()), ordering: .relaxed)
        defer { threadNumber.store(0, ordering: .relaxed) }
        let events = UnsafeMutablePointer<clinux_epoll_event>.allocate(capacity: Self.eventsPerTurnMax)
        defer { events.deallocate() }
        var items: [InboxItem] = []
        updateClock()
        while true {
            let timeout = waitMilliseconds()
            let count: Int
            switch System.call({ Int(clinux_epoll_wait(epoll, events, Int32(Self.eventsPerTurnMax), timeout)) }) {
            case .done(let ready): count = ready
            case .wouldBlock: count = 0
            case .failed(let code): preconditionFailure("epoll_wait failed with errno \(code)")
            }
            inbox.take(&items)
            updateClock()
            for index in 0..<count {
                let event = events[index]
                dispatch(
                    slot: UInt32(truncatingIfNeeded: event.data), generation: UInt32(event.data >> 32), event.events)
            }
            runDeferred()
            // Taken out, not copied; its memory is used again.
            items.reverse()
            while let item = items.popLast() { perform(item) }
            runUnfinished()
            runDeadlines()
            if let drainDeadline, openCount == 0 || now >= drainDeadline { break }
        }
        for connection in connections {
            if let connection { close(connection) }
        }
        runDeferred()
        closeDescriptors()
        connections = []
    }

    private func waitMilliseconds() -> Int32 {
        guard unfinished.isEmpty, deferred.isEmpty else { return 0 }
        var next = deadlines.next
        if let acceptResumesAt { next = min(next ?? .max, acceptResumesAt) }
        if let drainDeadline { next = min(next ?? .max, drainDeadline) }
        if let newcomersWaitUntil { next = min(next ?? .max, newcomersWaitUntil) }
        // Meanwhile somebody may answer and start the deadline of what follows (`answerWhileAsleep`).
        if deadlines.first(.handler) != nil { next = min(next ?? .max, now + deadlineAfterAnswerMin) }
        if let next, next <= now { return 0 }
        // Rounded up: waking just before a deadline would spin.
        let timeout = next.map { Int32(min(($0 - now + 999_999) / 1_000_000, 3_600_000)) } ?? -1
        // From here on the worker may be borrowed.
        return inbox.mayFallAsleep() ? timeout : 0
    }

    func updateClock() {
        now = SystemClock.monotonicNanoseconds()
        let second = SystemClock.coarseSeconds()
        guard second != dateSecond else { return }
        dateSecond = second
        dateLine = Array("\r\nDate: ".utf8) + HTTPDate.format(max(0, dateSecond)) + [ASCII.cr, ASCII.lf]
    }

    private func dispatch(slot: UInt32, generation: UInt32, _ events: UInt32) {
        if slot >= Self.firstListenerSlot {
            if slot != Self.wakeSlot { acceptConnections(Int(slot - Self.firstListenerSlot)) }
            return
        }
        guard let connection = connections[Int(slot)], connection.generation == generation else { return }
        handle(connection, events)
    }

    private func handle(_ connection: Connection, _ events: UInt32) {
        let failed = events & UInt32(CLINUX_EPOLLERR | CLINUX_EPOLLHUP) != 0
        if failed, connection.phase != .reading || !connection.pending.isEmpty {
            if connection.phase != .lingering { return close(connection) }
        }
        // A peer that has gone may have left complete requests behind: they are read and handled as always.
        if failed || events & UInt32(CLINUX_EPOLLIN | CLINUX_EPOLLRDHUP) != 0 {
            connection.mayRead = true
        }
        if failed || events & UInt32(CLINUX_EPOLLRDHUP) != 0 {
            connection.sawHalfClose = true
            if let stream = connection.stream, stream.endsAtHalfClose { stream.end(.finished) }
            connection.onPeerClosed.take()?()
        }
        if !connection.pending.isEmpty, events & UInt32(CLINUX_EPOLLOUT) != 0 { sendPending(connection) }
        turn(connection)
    }

    func watchPeer(_ slot: Int, _ serial: UInt64, _ body: @escaping @Sendable () -> Void) {
        precondition(isCurrentThread, "a peer is watched by its worker")
        guard serial == currentSerial, let connection = connections[slot], connection.serial == serial,
            !connection.sawHalfClose
        else { return body() }
        connection.onPeerClosed = body
    }

    func peer(_ slot: Int, _ serial: UInt64) -> String? {
        precondition(isCurrentThread, "a peer is looked up by its worker")
        guard let connection = connections[slot], connection.serial == serial else { return nil }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getpeername(connection.descriptor, $0, &length)
            }
        }
        guard code == 0 else { return nil }
        return Int32(storage.ss_family) == AF_UNIX ? "unix" : Binder.numericHost(&storage, length)
    }

    func perform(_ item: consuming InboxItem) {
        switch consume item {
        case .respond(let slot, let serial, let response):
            if let connection = connections[slot], connection.serial == serial, connection.phase == .handling {
                answer(connection, response)
                turn(connection)
            }
        case .openStream(let core, let head):
            if let connection = connections[core.slot], connection.serial == core.serial, connection.phase == .handling
            {
                openStream(connection, core, head)
                turn(connection)
            } else {
                core.close()
            }
        case .stream(let core):
            deliver(core)
        case .drain(let deadline):
            startDrain(deadline)
        }
        runDeferred()
    }

    /// Does what came up meanwhile on this thread; more may come up while it does.
    func runDeferred() {
        guard !isRunningDeferred, !deferred.isEmpty else { return }
        isRunningDeferred = true
        // What these bring up again waits for the next turn, so that a busy stream cannot keep the loop to itself.
        let items = deferred
        deferred = []
        for item in items { perform(item) }
        isRunningDeferred = false
    }

    private func runUnfinished() {
        guard !unfinished.isEmpty else { return }
        let slots = unfinished
        unfinished = []
        for slot in slots {
            guard let connection = connections[slot], connection.isQueuedForTurn else { continue }
            connection.isQueuedForTurn = false
            turn(connection)
        }
    }
}
