extension SessionRecord {
    /// How much is still to come. The raw value is stored in session rows.
    package enum Expectation: Int64, Sendable, CaseIterable {
        /// Complete, priced and paid, or refunded: no answer of the Drive API would tell anything new.
        case nothing = 0
        /// Complete, but the price or the outcome of the payment is not known.
        case payment = 1
        /// Not complete: events may still come, or may have been missed. A failed session can come back to life.
        case events = 2
    }

    package var expectation: Expectation {
        switch state.status {
        case .refunded: return .nothing
        case .complete: break
        default: return .events
        }
        guard state.enrichment[.price] != nil else { return .payment }
        switch state.enrichment.string(.balanceStatus) {
        case "PAID", "REFUND": return .nothing
        // With external clearing the API has nothing to say of a payment.
        case nil: return facts.contains { $0.source == .driveApi && $0.status == .complete } ? .nothing : .payment
        default: return .payment
        }
    }
}
