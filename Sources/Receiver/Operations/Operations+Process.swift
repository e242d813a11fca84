internal import Base
import SessionIndex
import SessionModel
import SessionStore

extension Operations {
    /// What operators go by besides callbacks: what is running, the sessions there are, the room that is left, the canary.
    func addProcess(to page: inout MetricsPage) {
        let sessions = store.statistics.index.sessions
        page.add(
            "chargefold_build_info", .gauge, "What is running.", [("version=\"\(Version.current)\"", "1")])
        page.add(
            "chargefold_sessions", .gauge,
            "Sessions by status, as far as rows are written; a status that nobody knows counts as FAILED.",
            SessionStatus.known.map { ("status=\"\($0.name)\"", "\(sessions[$0] ?? 0)") })
        page.add("chargefold_query_duration_seconds", "From a query to its answer.", metrics.queryDuration)
        page.add(
            "chargefold_last_callback_timestamp_seconds", .gauge,
            "When the last authentic callback came, in seconds since 1970; 0: none is known.",
            [("", "\(Double(metrics.lastCallback?.microsecondsSince1970 ?? 0) / 1_000_000)")])
        let last = downtime.last
        page.add(
            "chargefold_last_downtime_timestamp_seconds", .gauge,
            "When the last time ended in which callbacks were not accepted, in seconds since 1970: here, and by any receiver; "
                + "0: there was none.",
            [("scope=\"receiver\"", last.here), ("scope=\"all\"", last.everywhere)].map { label, instant in
                (label, "\(Double(instant?.microsecondsSince1970 ?? 0) / 1_000_000)")
            })
        if let disk = samples.latest.disk {
            page.add("chargefold_disk_free_bytes", .gauge, "Room that is left where the data lies.", disk.freeBytes)
            page.add("chargefold_disk_bytes", .gauge, "Size of the file system where the data lies.", disk.bytes)
        }
        if let figures = canary?.figures {
            page.add(
                "chargefold_canary_up", .gauge, "1 while probes of our own address are answered.",
                figures.isUp == false ? 0 : 1)
            page.add(
                "chargefold_canary_probes_total", .counter, "Probes of our own address, by outcome.",
                [("outcome=\"answered\"", "\(figures.answered)"), ("outcome=\"failed\"", "\(figures.failed)")])
            page.add(
                "chargefold_canary_probe_seconds", .gauge, "What the last probe took.", [("", "\(figures.seconds)")])
        }
        if let process = ProcessFigures() { page.add(process) }
    }
}
