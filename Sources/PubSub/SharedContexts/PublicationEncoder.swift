/// A counter of a publication's readers by their contexts, used before its encodings are decided
/// on.
@usableFromInline
package struct ReaderCounter: ~Copyable {
    @usableFromInline let contexts: SharedContexts

    init(_ contexts: SharedContexts) { self.contexts = contexts }

    /// Adds readers whose windows hold `context`; `nil` if nothing is known of them.
    @inlinable @inline(__always)
    package func add(_ context: SharedContext?, readers: Int = 1) {
        guard let context else {
            contexts.current.unknownReaders &+= readers
            return
        }
        if context.notes.epoch != contexts.current.epoch { contexts.addGroup(context) }
        context.notes.readers &+= readers
    }
}

/// The encodings of one publication, each made when the first reader needs it.
///
/// A reader keeps the context that comes with a frame if, and only if, that frame is written. A
/// reader that is sent any other compressed message has the context `nil` from then on;
/// uncompressed messages change nothing. `nil` is always right.
@usableFromInline
package struct PublicationEncoder: ~Copyable {
    @usableFromInline let contexts: SharedContexts
    @usableFromInline let publication: Publication
    /// Whether the readers were counted, so that they may share contexts.
    @usableFromInline let sharesContexts: Bool

    init(_ contexts: SharedContexts, _ publication: Publication, sharesContexts: Bool) {
        self.contexts = contexts
        self.publication = publication
        self.sharesContexts = sharesContexts
    }

    deinit { contexts.finish() }

    // MARK: - By context

    /// Returns the frame for a reader with `context`, and its context once the frame is written.
    @inlinable @inline(__always)
    package func frame(
        after context: SharedContext?
    ) -> (frame: SharedFrame, context: SharedContext?) {
        guard let context else {
            if let frame = contexts.current.unknownFrame {
                return (frame, contexts.current.firstContext)
            }
            return contexts.encodeUnknown()
        }
        if context.notes.epoch == contexts.current.epoch, let frame = context.notes.frame {
            return (frame, context.notes.next)
        }
        return contexts.encodeFirst(for: context)
    }

    /// Returns the frame for readers that keep no context (`server_no_context_takeover`).
    package func standaloneFrame(windowBits: Int) -> SharedFrame {
        windowBits >= contexts.windowBits
            ? contexts.standalone() : contexts.narrowStandalone(windowBits: windowBits)
    }

    /// The standalone frame, if any reader has needed it.
    package var standaloneFrameIfMade: SharedFrame? { contexts.standaloneFrame }

    /// Returns the context of a reader that was sent the standalone frame, for windows of the
    /// server's size.
    package func contextAfterStandaloneFrame() -> SharedContext? {
        contexts.standalone().isCompressed ? contexts.contextOfPublication() : nil
    }

    // MARK: - By mode

    /// Returns the frame for a subscriber, which must be written or the subscriber disconnected:
    /// its context is the one after it.
    @inlinable @inline(__always)
    package func frame(for subscriber: Subscriber) -> EncodedFrame {
        switch subscriber.mode {
        case .shared where sharesContexts:
            let (frame, context) = frame(after: subscriber.context)
            subscriber.context = context
            return EncodedFrame(frame)
        case .shared, .standalone: return standaloneFrame(for: subscriber)
        case .plain, .ownContext: return EncodedFrame(publication)
        }
    }

    @usableFromInline @inline(never)
    func standaloneFrame(for subscriber: Subscriber) -> EncodedFrame {
        guard publication.payloadCount >= subscriber.threshold else {
            return EncodedFrame(publication)
        }
        let frame = standaloneFrame(windowBits: subscriber.windowBits)
        if frame.isCompressed, subscriber.mode == .shared {
            subscriber.context = contextAfterStandaloneFrame()
        }
        return EncodedFrame(frame)
    }
}

/// The bytes of a frame, and the object that they belong to unless that is the publication.
///
/// They are valid as long as that object, or the encoder that returned them.
@safe
@usableFromInline
package struct EncodedFrame {
    @usableFromInline package let bytes: UnsafeRawBufferPointer
    @usableFromInline package let payloadCount: Int
    @usableFromInline package let owner: SharedFrame?

    @inlinable @inline(__always)
    init(_ frame: SharedFrame) {
        unsafe bytes = unsafe frame.bytes
        payloadCount = frame.payloadCount
        owner = frame
    }

    @inlinable @inline(__always)
    init(_ publication: Publication) {
        unsafe bytes = unsafe publication.frame
        payloadCount = publication.payloadCount
        owner = nil
    }
}
