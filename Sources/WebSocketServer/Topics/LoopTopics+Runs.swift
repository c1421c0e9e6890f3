import UVTransport
import WebSocketProtocol

/// A batch of one topic: its frames lie one behind the other, and leave together for everyone who
/// is sent the same bytes. So a delivery costs the same however many publications it is of.
extension LoopTopics {
    /// The frames of consecutive publications, for those who are sent just these.
    struct Run {
        let mode: Subscriber.Mode
        /// As its readers have them, see ``Subscriber``.
        let threshold: Int
        let windowBits: Int
        /// What its readers' windows hold before, and after.
        var context: SharedContext?
        var contextAfter: SharedContext?
        var readers = 0
        var bytes: [UInt8] = []

        init(for subscriber: Subscriber) {
            mode = subscriber.mode
            threshold = subscriber.threshold
            windowBits = subscriber.windowBits
            context = unsafe subscriber.context
            contextAfter = context
        }

        @inline(__always)
        func fits(_ subscriber: Subscriber) -> Bool {
            guard mode == subscriber.mode else { return false }
            return switch mode {
            case .plain: true
            case .alone: threshold == subscriber.threshold && windowBits == subscriber.windowBits
            case .shared: unsafe context === subscriber.context
            case .own: false
            }
        }
    }

    /// Whose subscribers of a topic are sent a batch in runs, all of it.
    struct RunModes {
        static let none = RunModes(bits: 0)
        /// All but those who compress for themselves.
        static let all = RunModes(bits: 0b111)

        fileprivate var bits: UInt8
        var isAll: Bool { bits == Self.all.bits }

        @inline(__always)
        func includes(_ mode: Subscriber.Mode) -> Bool { bits & 1 << mode.rawValue != 0 }

        fileprivate mutating func remove(_ mode: Subscriber.Mode) { bits &= ~(1 << mode.rawValue) }
    }

    /// Runs of a mode, at most. A publication has so many encodings: with more contexts some readers
    /// would be sent the same bytes, and most nothing smaller.
    private static let runsMax = EncodingPlan.encodingsMax

    /// Sends the batch to those who can be sent it in runs, if it is all of one topic.
    func deliverRuns() -> RunModes {
        guard let topic = table[batch[0].topic],
            batch.allSatisfy({ $0.isSameTopic(as: batch[0]) })
        else { return .none }
        let modes = findRuns(of: topic)
        var start = 0
        while start < batch.count {
            let end = endOfRun(from: start)
            encodeRuns(start..<end, level: topic.level)
            sendRuns(start..<end, on: topic, to: modes)
            start = end
        }
        unsafe runs.removeAll(keepingCapacity: true)
        return modes
    }

    /// Begins the runs for a topic's subscribers, of those modes that have few enough.
    private func findRuns(of topic: LoopTopic) -> RunModes {
        // The only one is sent frames that stand alone.
        var modes = RunModes.all
        if topic.sharing == 1 { modes.remove(.shared) }
        let entries = topic.entries
        for index in entries.indices {
            prefetchNext(entries, behind: index)
            unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                guard modes.includes(subscriber.mode), takesNow(subscriber) else { return }
                if let place = runPlace(of: subscriber) {
                    unsafe runs[place].readers &+= 1
                } else if unsafe runs.count(where: { $0.mode == subscriber.mode }) < Self.runsMax {
                    unsafe runs.append(Run(for: subscriber))
                    unsafe runs[runs.count - 1].readers = 1
                } else {
                    modes.remove(subscriber.mode)
                    unsafe runs.removeAll { $0.mode == subscriber.mode }
                }
            }
            // All others are like the first.
            if topic.plain == entries.count, unsafe !runs.isEmpty { break }
        }
        return modes
    }

    @inline(__always)
    private func runPlace(of subscriber: Subscriber) -> Int? {
        for place in unsafe runs.indices where unsafe runs[place].fits(subscriber) { return place }
        return nil
    }

    /// As many publications as may be sent to one after the other.
    private func endOfRun(from start: Int) -> Int {
        var (end, size) = (start, 0)
        repeat {
            size += unsafe batch[end].frame.count
            end += 1
        } while unsafe end < batch.count && size + batch[end].frame.count <= Self.pendingSizeMax
        return end
    }

    private func encodeRuns(_ range: Range<Int>, level: Int) {
        for place in unsafe runs.indices {
            unsafe runs[place].bytes.removeAll(keepingCapacity: true)
            unsafe runs[place].context = unsafe runs[place].contextAfter
        }
        deflater.level = level
        for publication in batch[range] {
            encodings.begin(publication)
            for run in unsafe runs where run.mode == .shared {
                encodings.count(run.contextAfter, readers: run.readers)
            }
            encodings.plan()
            for place in unsafe runs.indices { append(publication, to: &(unsafe runs[place])) }
            encodings.end()
        }
    }

    private func append(_ publication: Publication, to run: inout Run) {
        switch run.mode {
        case .shared:
            let (frame, context) = encodings.encoding(for: run.contextAfter)
            unsafe run.bytes.append(contentsOf: frame.bytes)
            run.contextAfter = context
        case .alone where publication.payloadCount >= run.threshold:
            unsafe run.bytes.append(
                contentsOf: encodings.cold(windowBits: run.windowBits).bytes)
        case .alone, .plain, .own: unsafe run.bytes.append(contentsOf: publication.frame)
        }
    }

    private func sendRuns(_ range: Range<Int>, on topic: LoopTopic, to modes: RunModes) {
        // Who subscribes or leaves meanwhile changes the list, and not this copy of it.
        let entries = topic.entries
        let payloadCount = batch[range].reduce(0) { $0 + $1.payloadCount }
        for index in entries.indices {
            prefetchNext(entries, behind: index)
            unsafe entries[index].subscriber._withUnsafeGuaranteedRef { subscriber in
                guard modes.includes(subscriber.mode) else { return }
                subscriber.withConnection { connection in
                    guard connection.stage == .open else { return }
                    guard isReady(subscriber, connection) else {
                        return waitForRun(range, of: topic, subscriber)
                    }
                    guard let place = runPlace(of: subscriber) else {
                        // It was sent something else meanwhile: no run fits its window now.
                        waitForRun(range, of: topic, subscriber)
                        return resume(subscriber)
                    }
                    unsafe counts.deliveries &+= UInt64(range.count)
                    unsafe runs[place].bytes.withUnsafeBytes {
                        unsafe connection.sendFrames(
                            $0, count: range.count, payloadCount: payloadCount)
                    }
                    if subscriber.mode == .shared {
                        unsafe subscriber.context = unsafe runs[place].contextAfter
                    }
                    if connection.hasOutbox { countUnsent(of: subscriber) }
                }
            }
        }
    }

    @inline(never)
    private func waitForRun(_ range: Range<Int>, of topic: LoopTopic, _ subscriber: Subscriber) {
        for publication in batch[range]
        where !wait(publication, of: topic, for: subscriber) { return }
    }
}
