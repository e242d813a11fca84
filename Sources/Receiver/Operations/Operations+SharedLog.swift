internal import Base
import Replication

extension Operations {
    /// What the metrics page says of the shared log.
    func add(_ condition: SharedLogCondition, to page: inout MetricsPage) {
        page.add(
            "chargefold_unshipped_deliveries", .gauge,
            "Deliveries that are durable here and not in the shared log yet.",
            condition.unshipped)
        let oldest = condition.oldestUnshippedMicroseconds.map {
            max(0, Double(SystemClock.now().microsecondsSince1970 - $0) / 1_000_000)
        }
        page.add(
            "chargefold_unshipped_oldest_seconds", .gauge, "How long ago the oldest of them was received.",
            [("", "\(oldest ?? 0)")])
        page.add(
            "chargefold_database_reachable", .gauge, "1 while the shared log's database answers.",
            condition.isReachable ? 1 : 0)
        page.add(
            "chargefold_synchronous_standbys", .gauge,
            "Standbys that each commit of the shared log waits for, as far as the database's role may see.",
            condition.synchronousStandbys ?? 0)
        page.add(
            "chargefold_database_oldest_snapshot_seconds", .gauge,
            "How long the oldest snapshot of the database has been open: dead rows behind it stay.",
            [("", "\(condition.oldestSnapshotSeconds ?? 0)")])
        page.add(
            "chargefold_unpulled_deliveries", .gauge, "Deliveries of other receivers that are not here yet.",
            condition.behind)
        page.add(
            "chargefold_database_warnings_total", .counter,
            "Commits of the shared log that came with a warning, and so counted as not replicated.", condition.warnings)
        page.add(
            "chargefold_shared_log_alarms_total", .counter,
            "Times that the shared log was not as it must be: a gap, a place with two contents.", condition.alarms)
        page.add("chargefold_leader", .gauge, "1 while this receiver leads.", condition.isLeader ? 1 : 0)
        page.add(
            "chargefold_differing_secrets", .gauge, "Other receivers whose secrets are not this one's.",
            condition.mismatches.count)
    }
}
