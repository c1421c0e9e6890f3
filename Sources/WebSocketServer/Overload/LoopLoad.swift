import Logging
import Synchronization
import UVTransport

/// The measurement of one loop's load, and on the first loop of the process's. For the loop's
/// thread.
final class LoopLoad: TimerEntry {
    /// The milliseconds between two measurements.
    static let interval: UInt64 = 250
    /// The milliseconds by which the timer of an idle loop may be late.
    private static let timerTolerance: UInt64 = 33

    private let number: Int
    private let loop: EventLoop
    private let overload: Overload
    private let logger: Logger
    private var lag: LoadGauge?
    private var process: ProcessLoad?
    private var dueAt: UInt64 = 0
    private var lagLevel = LoadLevel.normal

    /// - Parameter process: The gauges of the process, on one loop only.
    init(
        number: Int, loop: EventLoop, options: OverloadConfiguration, overload: Overload,
        process: ProcessLoad?, logger: Logger
    ) {
        self.number = number
        self.loop = loop
        self.overload = overload
        self.process = process
        self.logger = logger
        lag = options.lagThresholds.map { LoadGauge($0) }
    }

    /// The load that new connections of this loop meet.
    var level: LoadLevel { max(lagLevel, overload.processLevel) }

    func start() { scheduleNext(after: loop.now) }

    func stop() { loop.cancel(self) }

    private func scheduleNext(after now: UInt64) {
        dueAt = now + Self.interval
        loop.schedule(self, at: dueAt)
    }

    override func deadlinePassed(now: UInt64) {
        measureLag(Int(now) - Int(dueAt + Self.timerTolerance), now: now)
        if let changes = process?.measure(now: now) {
            overload.processLevel = process?.level ?? .normal
            for change in changes { change.log(to: logger) }
        }
        scheduleNext(after: now)
    }

    private func measureLag(_ milliseconds: Int, now: UInt64) {
        guard let change = lag?.record(milliseconds, now: now) else {
            lagLevel = lag?.level ?? .normal
            return
        }
        lagLevel = lag?.level ?? .normal
        overload.count(lagging: change ? 1 : -1)
        LoadChange(
            measure: "loop lag", isOverloaded: change, value: "\(max(0, milliseconds)) ms",
            limit: "\(lag?.thresholds.high ?? 0) ms", loop: number
        ).log(to: logger)
    }
}

/// The memory and the descriptors of the process.
struct ProcessLoad {
    private var memory: LoadGauge
    private var descriptors: LoadGauge
    private let descriptorLimit: Int
    private let readMemory: () -> Int?
    private let readDescriptors: () -> Int
    private var measurements = 0

    /// - Parameters:
    ///   - descriptors: The thresholds of descriptors in use.
    ///   - readMemory: Returns the resident memory; `nil` if it can't be read.
    ///   - readDescriptors: Returns the number of descriptors in use.
    init(
        memory: LoadGauge.Thresholds, descriptors: LoadGauge.Thresholds, descriptorLimit: Int,
        readMemory: @escaping () -> Int? = { residentMemory() },
        readDescriptors: @escaping () -> Int = { Int(lowestFreeDescriptor()) }
    ) {
        self.memory = LoadGauge(memory)
        self.descriptors = LoadGauge(descriptors)
        self.descriptorLimit = descriptorLimit
        self.readMemory = readMemory
        self.readDescriptors = readDescriptors
    }

    var level: LoadLevel { max(memory.level, descriptors.level) }

    /// Measures, and returns what has changed.
    mutating func measure(now: UInt64) -> [LoadChange] {
        var changes: [LoadChange] = []
        let used = min(readDescriptors(), descriptorLimit)
        if let change = descriptors.record(used, now: now) {
            changes.append(
                LoadChange(
                    measure: "descriptors", isOverloaded: change, value: "\(used)",
                    limit: "\(descriptors.thresholds.high)", loop: nil))
        }
        if let bytes = readMemory(), let change = memory.record(bytes, now: now) {
            changes.append(
                LoadChange(
                    measure: "memory", isOverloaded: change, value: "\(bytes)",
                    limit: "\(memory.thresholds.high)", loop: nil))
        }
        // The allocator keeps most of what is freed, so the memory would never be low again.
        measurements &+= 1
        if memory.level > .normal, measurements.isMultiple(of: Self.measurementsPerTrim) {
            Self.trim()
        }
        return changes
    }

    private static let measurementsPerTrim = 8
    private static let isTrimming = Atomic<Bool>(false)

    /// Returns freed memory to the system, away from the loop. It may take a while.
    private static func trim() {
        guard !isTrimming.exchange(true, ordering: .relaxed) else { return }
        Task.detached {
            trimHeap()
            isTrimming.store(false, ordering: .relaxed)
        }
    }
}

/// The beginning or the end of an overload, for the log.
struct LoadChange {
    let measure: String
    let isOverloaded: Bool
    let value: String
    let limit: String
    /// The loop that is late; `nil` for the whole process.
    let loop: Int?

    func log(to logger: Logger) {
        var metadata: Logger.Metadata = [
            "measure": "\(measure)", "value": "\(value)", "limit": "\(limit)",
        ]
        if let loop { metadata["loop"] = "\(loop)" }
        if isOverloaded {
            logger.warning("overloaded: new connections are refused", metadata: metadata)
        } else {
            logger.notice("no longer overloaded: connections are accepted", metadata: metadata)
        }
    }
}
