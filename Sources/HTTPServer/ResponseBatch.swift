import Glibc

/// Answers that are posted together: each worker is woken once for many of them, instead of for every one.
package struct ResponseBatch: ~Copyable {
    /// Answers for one worker that wait for others at most: beyond it the worker may begin.
    private static let itemsMax = 64

    private var batches: [(worker: Worker, items: [InboxItem])] = []

    package init() {}

    package mutating func add(_ exchange: Exchange, _ response: consuming Response) {
        let item = InboxItem.respond(exchange.slot, exchange.serial, response)
        for index in batches.indices where batches[index].worker === exchange.worker {
            batches[index].items.append(item)
            if batches[index].items.count >= Self.itemsMax { send(index) }
            return
        }
        batches.append((exchange.worker, [item]))
    }

    /// Posts the answers and is empty afterwards.
    package mutating func send() {
        if sendsAlone() { return batches.removeAll() }
        for index in batches.indices where !batches[index].items.isEmpty { send(index) }
    }

    /// Sends an answer that is the only one of the batch, if its worker sleeps.
    private func sendsAlone() -> Bool {
        guard batches.count == 1, batches[0].items.count == 1,
            case .respond(let slot, let serial, let response) = batches[0].items[0]
        else { return false }
        return batches[0].worker.answerWhileAsleep(slot, serial, response)
    }

    private mutating func send(_ index: Int) {
        batches[index].worker.inbox.post(contentsOf: &batches[index].items)
    }

    // MARK: The batch of a thread

    /// Holds the batch that the thread's answers go to, if any.
    private static let key: pthread_key_t? = {
        var key = pthread_key_t()
        return pthread_key_create(&key, nil) == 0 ? key : nil
    }()

    static var current: UnsafeMutablePointer<ResponseBatch>? {
        key.flatMap { pthread_getspecific($0) }?.assumingMemoryBound(to: ResponseBatch.self)
    }

    /// Runs `body` and posts the answers that it gives on this thread together, at its end at the latest.
    package static func collecting(_ body: () -> Void) {
        guard let key else { return body() }
        var batch = ResponseBatch()
        withUnsafeMutablePointer(to: &batch) { pointer in
            let outer = pthread_getspecific(key)
            pthread_setspecific(key, pointer)
            body()
            pthread_setspecific(key, outer)
        }
        batch.send()
    }
}
