internal import Base

/// What a directory remembers of the shared log, as one small text in its ledger.
struct DirectoryState: Sendable, Equatable {
    /// The shared log's identity; `none`: never seen.
    var sharedLog = Identity.none
    /// The one that is received under last.
    var own: [OwnOrigin] = []
    var contested: [ContestedOrigin] = []
    /// The numbers of all origins in the shared log, so that they stay when the database loses them.
    var numbers: [Identity: Int32] = [:]

    /// A line for each thing, and a checksum.
    var encoded: [UInt8] {
        var lines = ["replication 1", "log \(sharedLog)"]
        for origin in own {
            let tries = origin.tries.map(\.description).joined(separator: ",")
            lines.append(
                "own \(origin.identity) \(origin.number) \(origin.epoch) \(origin.holder) \(origin.confirmed) \(tries)")
        }
        for origin in contested {
            lines.append(
                "contested \(origin.identity) \(origin.compared) \(origin.shared) \(origin.moved) \(origin.last)")
        }
        for (origin, number) in numbers.sorted(by: { $0.value < $1.value }) {
            lines.append("number \(number) \(origin)")
        }
        let text = lines.joined(separator: "\n") + "\n"
        return Array((text + "end \(Self.checksum(text))\n").utf8)
    }

    init() {}

    /// This directory receives under that origin from now on.
    mutating func add(own identity: Identity) {
        guard !own.contains(where: { $0.identity == identity }) else { return }
        own.append(OwnOrigin(identity))
        let number = OwnOrigin.number(of: identity)
        if numbers[identity] == nil, !numbers.values.contains(number) { numbers[identity] = number }
    }

    /// Reads what `encoded` made; nil for anything else.
    init?(decoding bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.lastRange(of: "end ") else { return nil }
        let body = String(text[..<end])
        guard text == body + "end \(Self.checksum(body))\n", body.hasPrefix("replication 1\n") else { return nil }
        for line in body.split(separator: "\n").dropFirst() {
            let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard take(words) else { return nil }
        }
    }

    private mutating func take(_ words: [String]) -> Bool {
        switch (words.first, words.count) {
        case ("log", 2):
            guard let identity = Identity(words[1]) else { return false }
            sharedLog = identity
        case ("own", 7):
            guard let identity = Identity(words[1]), let number = Int32(words[2]), let epoch = Int64(words[3]),
                let holder = Identity(words[4]), let confirmed = Int64(words[5])
            else { return false }
            var origin = OwnOrigin(identity)
            (origin.number, origin.epoch, origin.holder, origin.confirmed) = (number, epoch, holder, confirmed)
            origin.tries = words[6].split(separator: ",").compactMap { Identity(String($0)) }
            own.append(origin)
        case ("contested", 6):
            guard let identity = Identity(words[1]), let compared = Int64(words[2]), let shared = Int64(words[3]),
                let moved = Int64(words[4]), let last = Int64(words[5])
            else { return false }
            contested.append(
                ContestedOrigin(identity: identity, compared: compared, shared: shared, moved: moved, last: last))
        case ("number", 3):
            guard let number = Int32(words[1]), let identity = Identity(words[2]) else { return false }
            numbers[identity] = number
        default: return false
        }
        return true
    }

    /// FNV-1a.
    private static func checksum(_ text: String) -> String {
        String(text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
    }
}

extension String {
    fileprivate func lastRange(of word: String) -> Index? {
        guard let line = dropLast().lastIndex(of: "\n") else { return nil }
        let start = index(after: line)
        return self[start...].hasPrefix(word) ? start : nil
    }
}

/// The state and its place in the directory.
final class DirectoryMemory: Sendable {
    private let memory: any ReplicationMemory
    private let state: Locked<DirectoryState>
    private let numbersObserver = Locked<(@Sendable (Identity, Int32) -> Void)?>(nil)
    /// Whether something was remembered that could not be read.
    let wasUnreadable: Bool

    /// Blocks.
    init(_ memory: any ReplicationMemory) throws(StoreError) {
        self.memory = memory
        let bytes = try memory.load()
        let state = bytes.flatMap { DirectoryState(decoding: $0) }
        wasUnreadable = bytes != nil && state == nil
        self.state = Locked(state ?? DirectoryState())
    }

    var current: DirectoryState { state.withLock { $0 } }

    /// Changes the state; durable when this returns. Blocks. Where it cannot be saved, nothing has changed.
    func update(_ change: (inout DirectoryState) -> Void) throws(StoreError) {
        try state.withLock { (state) throws(StoreError) in
            var changed = state
            change(&changed)
            guard changed != state else { return }
            try memory.save(changed.encoded)
            if let observer = numbersObserver.withLock({ $0 }) {
                for (origin, number) in changed.numbers where state.numbers[origin] != number {
                    observer(origin, number)
                }
            }
            state = changed
        }
    }

    /// Tells the numbers of origins: those that are known, and then each new one.
    func observeNumbers(_ observer: @escaping @Sendable (Identity, Int32) -> Void) {
        state.withLock { state in
            for (origin, number) in state.numbers { observer(origin, number) }
            numbersObserver.withLock { $0 = observer }
        }
    }

    /// Changes one own origin.
    func update(_ origin: Identity, _ change: (inout OwnOrigin) -> Void) throws(StoreError) {
        try update { state in
            if let index = state.own.firstIndex(where: { $0.identity == origin }) { change(&state.own[index]) }
        }
    }
}
