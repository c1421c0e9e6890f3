import UVTransport

/// The thresholds of the gauges.
extension OverloadOptions {
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
        let freeAgain =
            freeDescriptors.map { $0 + max(1, $0 / 3) } ?? descriptors.freeAgain
        return LoadGauge.Thresholds(
            low: max(0, descriptors.limit - freeAgain), high: descriptors.limit - free,
            extreme: .max, onset: 0, recovery: recovery.milliseconds)
    }
}
