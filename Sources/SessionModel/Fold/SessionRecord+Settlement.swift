extension SessionRecord {
    /// How much is still to come. The raw value is stored in session rows.
    package enum Settlement: Int64, Sendable, CaseIterable {
        /// Complete, priced and paid, or refunded: no answer of the Drive API would tell anything new.
        case settled = 0
        /// Complete, but the price or the outcome of the payment is not known.
        case unsettled = 1
        /// Not complete: events may still come, or may have been missed. A failed session can come back to life.
        case open = 2
    }

    package var settlement: Settlement {
        switch state.status {
        case .refunded: return .settled
        case .complete: break
        default: return .open
        }
        guard state.enrichment[.price] != nil else { return .unsettled }
        switch state.enrichment.string(.balanceStatus) {
        case "PAID", "REFUND": return .settled
        // With external clearing the API has nothing to say of a payment.
        case nil: return facts.contains { $0.source == .driveApi && $0.status == .complete } ? .settled : .unsettled
        default: return .unsettled
        }
    }
}
