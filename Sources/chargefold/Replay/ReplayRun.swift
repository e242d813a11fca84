import ArgumentParser
internal import Base
import Glibc
import HTTPClient
import Receiver
import SessionModel
import WebhookSecurity

/// Where callbacks are posted to.
struct ReplayTargets {
    private static let paths = (sessionEvents: "/webhooks/session-events", records: "/webhooks/cdrs")

    let sessionEvents: String
    /// nil: a path was given, and it is not known which one charge detail records have there.
    let records: String?

    /// - Parameter target: the path of the receiver's URL: none, or the one of its webhook of session events.
    init(_ target: String) {
        sessionEvents = target == "/" ? Self.paths.sessionEvents : target
        records =
            sessionEvents.hasSuffix(Self.paths.sessionEvents)
            ? sessionEvents.dropLast(Self.paths.sessionEvents.count) + Self.paths.records : nil
    }

    /// - Throws: an exit code, after the reason was printed.
    func target(of webhook: ReplayedCallback.Webhook) throws -> String {
        guard case .records = webhook else { return sessionEvents }
        guard let records else {
            throw failure(
                "there are charge detail records to post, and \(sessionEvents) does not tell where to: name the receiver "
                    + "without a path, or a path that ends in \(Self.paths.sessionEvents)")
        }
        return records
    }
}

/// Signs and sends the bodies of a source, and keeps account of the answers.
final class ReplayRun: LoadDelegate {
    private let source: ReplaySource
    private let targets: ReplayTargets
    private let signer: CallbackSigner
    private let rate: Double?
    private let bar: ProgressBar?
    private let acknowledgedFile: AppendingFile?
    private let startedNanoseconds = SystemClock.monotonicNanoseconds()

    private var summary = ReplaySummary()
    private var sentCount: UInt64 = 0
    private var underWay: [UInt64: [UInt8]] = [:]
    private var sourceError: (any Error)?

    init(
        source: ReplaySource, targets: ReplayTargets, webhook: ReceiverConfiguration.Webhook, rate: Double?,
        acknowledgedPath: String?, showsProgress: Bool
    ) throws {
        self.source = source
        self.rate = rate
        signer = webhook.signer
        // All requests are sent alike: what can't be sent is told now.
        for target in [targets.sessionEvents, targets.records].compactMap({ $0 }) {
            try ClientRequest(method: "POST", target: target, fields: signer.agreed).check()
        }
        self.targets = targets
        bar = showsProgress ? ProgressBar() : nil
        acknowledgedFile = try acknowledgedPath.map { try AppendingFile($0) }
    }

    func next() -> LoadNext {
        if let rate {
            let dueNanoseconds = startedNanoseconds + UInt64(Double(sentCount) / rate * 1_000_000_000)
            let now = SystemClock.monotonicNanoseconds()
            if dueNanoseconds > now { return .wait(nanoseconds: dueNanoseconds - now) }
        }
        let (body, target): ([UInt8], String)
        do {
            guard let next = try source.next() else { return .end }
            body = next.body
            target = try targets.target(of: next.webhook)
        } catch {
            sourceError = error
            return .end
        }
        sentCount += 1
        let fields = signer.fields(for: body, at: SystemClock.now())
        if acknowledgedFile != nil { underWay[sentCount] = body }
        return .request(ClientRequest(method: "POST", target: target, fields: fields, body: body), tag: sentCount)
    }

    func received(_ response: ClientResponse, tag: UInt64, latencyNanoseconds: UInt64) {
        summary.add(status: response.status, body: response.body, latencyNanoseconds: latencyNanoseconds)
        if let file = acknowledgedFile, let body = underWay.removeValue(forKey: tag), response.status == 200 {
            file.append(body + [UInt8(ascii: "\n")])
        }
        showProgress()
    }

    func failed(tag: UInt64, _ error: HTTPClientError) {
        underWay[tag] = nil
        summary.addFailure(error.code.rawValue)
    }

    /// The server can't be reached any more.
    func stopped(by error: HTTPClientError) {
        summary.stopped = "\(error)"
    }

    /// Prints the summary.
    ///
    /// - Throws: an exit code, unless everything was accepted or known already.
    func finish() throws {
        bar?.clear()
        acknowledgedFile?.flush()
        if let sourceError { throw sourceError }
        let seconds = Double(SystemClock.monotonicNanoseconds() - startedNanoseconds) / 1_000_000_000
        print(summary.text(seconds: seconds, skipped: source.skipped))
        if !summary.isComplete { throw ExitCode.failure }
    }

    private func showProgress() {
        guard let bar else { return }
        let progress = source.progress
        bar.show("replaying", done: progress.done, total: progress.total, note: "\(summary.answeredCount) events")
    }
}

/// A file that is written in large pieces, and to the end even when the process is stopped politely.
final class AppendingFile {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    /// - Throws: an exit code, after the reason was printed.
    init(_ path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("\(path): \(String(cString: strerror(errno)))") }
    }

    deinit {
        flush()
        close(descriptor)
    }

    func append(_ bytes: [UInt8]) {
        buffer += bytes
        if buffer.count >= 64 << 10 { flush() }
    }

    func flush() {
        var rest = buffer[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { break }
        }
        buffer.removeAll(keepingCapacity: true)
    }
}
