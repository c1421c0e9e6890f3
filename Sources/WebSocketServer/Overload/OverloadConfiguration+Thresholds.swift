import UVTransport

/// The thresholds of the gauges.
extension OverloadConfiguration {
    /// The thresholds of a loop's lag in milliseconds; `nil` if it has no limit.
    var lagThresholds: LoadGauge.Thresholds? {
        guard let loopLag else { return nil }
        let high = Int(loopLag.milliseconds)
        return LoadGauge.Thresholds(
            low: high / 2, high: high, extreme: 4 * high, onset: onset.milliseconds,
            recovery: recovery.milliseconds)
    }

    /// The thresholds of the resident memory in bytes.
    ///
    /// - Parameter available: The memory of the machine or of the control group.
    func memoryThresholds(available: Int) -> LoadGauge.Thresholds {
        let high = memory?.bytes ?? available / 10 * 9
        let tenth = high / 10
        return LoadGauge.Thresholds(
            low: high - tenth, high: high, extreme: high + tenth, onset: 0,
            recovery: recovery.milliseconds)
    }

    /// The thresholds of the descriptors in use. If they are all used, they are closed on accept
    /// for want of descriptors anyway.
    func descriptorThresholds(_ descriptors: Descriptors) -> LoadGauge.Thresholds {
        let free = min(freeDescriptors ?? descriptors.freeMin, max(1, descriptors.limit - 1))
        let high = descriptors.limit - free
        // A third more must be free, but not so much that this is out of reach.
        let margin = max(1, min(free / 3, high / 4))
        return LoadGauge.Thresholds(
            low: high - margin, high: high, extreme: .max, onset: 0,
            recovery: recovery.milliseconds)
    }
}
