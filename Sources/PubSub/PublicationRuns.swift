/// The runs of a batch of publications of one topic: consecutive frames in one buffer, for all
/// subscribers that receive the same bytes. The cost of a delivery is then independent of the
/// number of its publications.
@usableFromInline
package struct PublicationRuns {
    /// The frames for the subscribers that are sent the same bytes.
    @usableFromInline
    package struct Run {
        @usableFromInline let mode: EncodingMode
        /// The readers' threshold; see ``Subscriber/threshold``.
        @usableFromInline let threshold: Int
        @usableFromInline let windowBits: Int
        /// The content of its readers' windows before the frames, and after them.
        @usableFromInline var context: SharedContext?
        @usableFromInline package internal(set) var contextAfter: SharedContext?
        var readers = 0
        @usableFromInline package internal(set) var bytes: [UInt8] = []

        init(for subscriber: Subscriber) {
            mode = subscriber.mode
            threshold = subscriber.threshold
            windowBits = subscriber.windowBits
            context = subscriber.context
            contextAfter = context
        }

        @inlinable @inline(__always)
        func fits(_ subscriber: Subscriber) -> Bool {
            guard mode == subscriber.mode else { return false }
            return switch mode {
            case .plain: true
            case .standalone:
                threshold == subscriber.threshold && windowBits == subscriber.windowBits
            case .shared: context === subscriber.context
            case .ownContext: false
            }
        }
    }

    /// The maximum number of runs of a mode: that of a publication's encodings. With more contexts,
    /// some readers would be sent the same bytes, and most nothing smaller.
    private static let runsMax = EncodingPlan.encodingsMax

    @usableFromInline var runs: [Run] = []
    /// The modes whose subscribers are sent the whole batch in runs: at first, all but those with
    /// contexts of their own.
    package private(set) var modes: EncodingModes = .none

    package init() {}

    package var isEmpty: Bool { runs.isEmpty }

    /// Begins the runs for a topic's subscribers.
    package mutating func begin(for topic: Topic) {
        runs.removeAll(keepingCapacity: true)
        modes = .allButOwnContext
        // A single reader is sent standalone frames.
        if topic.count(of: .shared) == 1 { modes.remove(.shared) }
    }

    /// Adds a subscriber to the run that fits it, or begins one. With too many runs of its mode,
    /// the mode is sent none.
    package mutating func add(_ subscriber: Subscriber) {
        let mode = subscriber.mode
        guard modes.contains(mode) else { return }
        if let place = place(of: subscriber) {
            runs[place].readers &+= 1
        } else if runs.count(where: { $0.mode == mode }) < Self.runsMax {
            runs.append(Run(for: subscriber))
            runs[runs.count - 1].readers = 1
        } else {
            modes.remove(mode)
            runs.removeAll { $0.mode == mode }
        }
    }

    /// Encodes the next publications of the batch into each run, in place of those before.
    package mutating func encode(
        _ publications: ArraySlice<Publication>, level: Int, contexts: SharedContexts
    ) {
        for place in runs.indices {
            runs[place].bytes.removeAll(keepingCapacity: true)
            runs[place].context = runs[place].contextAfter
        }
        for publication in publications {
            let encoder = contexts.encoder(for: publication, level: level) { readers in
                for run in runs where run.mode == .shared {
                    readers.add(run.contextAfter, readers: run.readers)
                }
            }
            for place in runs.indices { encoder.append(publication, to: &runs[place]) }
        }
    }

    /// Returns the position of the run for a subscriber; `nil` if none fits, because it was sent
    /// something else since it was added.
    @inlinable
    package func place(of subscriber: Subscriber) -> Int? {
        for place in runs.indices where runs[place].fits(subscriber) { return place }
        return nil
    }

    @inlinable
    package subscript(place: Int) -> Run {
        _read { yield runs[place] }
    }

    package mutating func removeAll() { runs.removeAll(keepingCapacity: true) }
}

extension PublicationEncoder {
    fileprivate func append(_ publication: Publication, to run: inout PublicationRuns.Run) {
        switch run.mode {
        case .shared:
            let (frame, context) = frame(after: run.contextAfter)
            unsafe run.bytes.append(contentsOf: frame.bytes)
            run.contextAfter = context
        case .standalone where publication.payloadCount >= run.threshold:
            unsafe run.bytes.append(
                contentsOf: standaloneFrame(windowBits: run.windowBits).bytes)
        case .standalone, .plain, .ownContext:
            unsafe run.bytes.append(contentsOf: publication.frame)
        }
    }
}
