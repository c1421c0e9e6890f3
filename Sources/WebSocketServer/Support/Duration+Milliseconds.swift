extension Duration {
    /// The whole milliseconds, at least one unless the duration is zero or less, and at most those
    /// of 2^40 seconds.
    var milliseconds: UInt64 {
        guard self > .zero else { return 0 }
        let (all, attoseconds) = components
        // Longer than a server runs, so that a deadline can still be computed.
        let seconds = min(all, 1 << 40)
        return UInt64(seconds) * 1_000
            + UInt64((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
