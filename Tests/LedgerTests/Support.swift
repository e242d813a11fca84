import Base
import Ledger
import SessionModel
import StoreTestSupport
import TestSupport

func openLedger(
    _ directory: TemporaryDirectory, _ log: LogLines = LogLines(), _ change: (inout LedgerOptions) -> Void = { _ in }
) throws -> Ledger {
    var options = LedgerOptions()
    // Tests say when.
    options.unverifiedWriteMilliseconds = 3_600_000
    change(&options)
    return try Ledger(directory: directory.path, options: options, logger: log.logger)
}

func body(_ index: Int, bytes: Int = 10) -> QuarantinedBody {
    QuarantinedBody(
        receivedAt: Instant(microsecondsSince1970: Int64(index)), reason: "INVALID_JSON",
        body: [UInt8](repeating: UInt8(truncatingIfNeeded: index), count: bytes), credentials: [1, 2, 3])
}

func at(_ seconds: Int64) -> Instant { Instant(seconds: 1_770_000_000 + seconds) }

extension TemporaryDirectory {
    /// Changes the bytes of a file.
    func change(_ name: String, _ body: (inout [UInt8]) -> Void) {
        var bytes = Self.read(file(name))
        body(&bytes)
        Self.write(bytes, to: file(name))
    }

    /// The numbers (from 0) of the pages of 4 KiB in which a text stands.
    func pages(_ name: String, with text: String) -> [Int] {
        let bytes = Self.read(file(name))
        return stride(from: 0, to: bytes.count, by: 4_096).enumerated().compactMap { number, start in
            bytes[start..<min(start + 4_096, bytes.count)].contains(text.utf8) ? number : nil
        }
    }

    /// Makes a page unreadable: its header and its cell pointers are no b-tree's any more.
    func damagePage(_ name: String, _ number: Int) {
        change(name) { bytes in
            for offset in 0..<64 { bytes[number * 4_096 + offset] = 0xA5 }
        }
    }
}
