/// The frames of a batch of publications, kept until the batch ends so that each subscriber's
/// frames leave together.
@usableFromInline
package struct FrameBatch {
    @safe
    @usableFromInline
    package struct Entry {
        package let bytes: UnsafeRawBufferPointer
        package let payloadCount: Int
        /// The position of the subscriber's next frame.
        package internal(set) var next: Int32?
    }

    @usableFromInline var entries: [Entry] = []
    /// The owners of the frames' bytes.
    private var owners: [SharedFrame] = []
    /// The subscribers that the batch holds something for. A subscriber may be listed twice.
    package private(set) var subscribersToFlush: [Subscriber] = []

    package init() {}

    /// Adds a frame for a subscriber, behind its others. Frames without an owner belong to their
    /// publication, which must be retained until the batch ends.
    package mutating func add(_ frame: EncodedFrame, for subscriber: Subscriber) {
        let place = Int32(entries.count)
        unsafe entries.append(
            Entry(bytes: frame.bytes, payloadCount: frame.payloadCount, next: nil))
        if let owner = frame.owner, owners.last !== owner { owners.append(owner) }
        let count = unsafe frame.bytes.count
        if case .frames(let first, let last, let size) = subscriber.pending {
            entries[Int(last)].next = place
            subscriber.pending = .frames(first: first, last: place, size: size + count)
        } else {
            subscriber.pending = .frames(first: place, last: place, size: count)
            subscribersToFlush.append(subscriber)
        }
    }

    /// Notes that a subscriber's messages of the batch are in the loop's cork.
    package mutating func addCorked(_ subscriber: Subscriber) {
        if case .corked = subscriber.pending { return }
        subscriber.pending = .corked
        subscribersToFlush.append(subscriber)
    }

    /// Returns a subscriber's part of the batch at hand, and removes it.
    package static func take(for subscriber: Subscriber) -> PendingFrames {
        let pending = subscriber.pending
        subscriber.pending = .none
        return pending
    }

    /// Returns a frame, whose bytes are valid until the batch ends.
    @inlinable package subscript(place: Int32) -> Entry { entries[Int(place)] }

    /// Ends the batch, once it holds nothing for any subscriber.
    package mutating func removeAll() {
        subscribersToFlush.removeAll(keepingCapacity: true)
        entries.removeAll(keepingCapacity: true)
        owners.removeAll(keepingCapacity: true)
    }
}

/// A subscriber's part of a ``FrameBatch``.
@usableFromInline
package enum PendingFrames {
    case none
    /// No frames: its messages are in the loop's cork, and leave when that is flushed.
    case corked
    /// The first and the last of its frames, and the bytes of all.
    case frames(first: Int32, last: Int32, size: Int)

    /// The bytes that one subscriber's frames may have before they are written.
    @inlinable package static var sizeMax: Int { 32 << 10 }

    /// Whether the frames must be written before another is added.
    @inlinable @inline(__always)
    package var isFull: Bool {
        if case .frames(_, _, let size) = self { size > Self.sizeMax } else { false }
    }
}
