import WebSocketProtocol

/// What a connection that subscribes to topics holds for them; others pay a word.
// Safety: a connection owns its subscriber, and ends it before it goes itself.
@safe
final class Subscriber {
    struct Membership {
        let topic: LoopTopic
        /// Place in the topic's list.
        var place: Int32
    }

    /// How publications are compressed for the connection.
    enum Mode: UInt8 {
        /// Not at all.
        case plain
        /// By a frame that stands alone, the same for all.
        case alone
        /// By frames that refer to earlier publications, the same for all with the same context.
        case shared
        /// By its own context.
        case own
    }

    private let owner: Unmanaged<ConnectionCore>?
    var memberships: [Membership] = []
    let mode: Mode
    /// Where it is listed in ``WaitingSubscribers``; not at all in rank 0.
    var waitingRank: UInt8 = 0
    var waitingPlace: Int32 = 0
    /// For ``Mode/alone``: smaller payloads go plain; bytes.
    let threshold: Int
    /// For ``Mode/alone``: how far back its inflater can refer.
    let windowBits: Int
    /// For ``Mode/alone`` and ``Mode/shared``: what its route wants, 1…9.
    let level: Int
    /// For ``Mode/shared``: what its inflater is known to hold.
    @exclusivity(unchecked) var context: SharedContext?
    /// What waits until its outbox is empty.
    @exclusivity(unchecked) var backlog = Backlog()
    /// Bytes of publications in its outbox, at most.
    @exclusivity(unchecked) var outboxShare = 0
    /// First and last of its frames of this turn, in ``LoopTopics``; -1: none.
    @exclusivity(unchecked) var firstPending: Int32 = -1
    @exclusivity(unchecked) var lastPending: Int32 = -1
    /// Bytes of those.
    @exclusivity(unchecked) var pendingSize = 0

    init(
        connection: ConnectionCore?, mode: Mode, threshold: Int = 0, windowBits: Int = 15,
        level: Int = 1
    ) {
        unsafe owner = unsafe connection.map { unsafe Unmanaged.passUnretained($0) }
        self.mode = mode
        self.threshold = threshold
        self.windowBits = windowBits
        self.level = level
    }

    /// Whose it is; there is one but in tests of the table.
    @inline(__always)
    var connection: ConnectionCore { unsafe owner.unsafelyUnwrapped.takeUnretainedValue() }

    /// The same without retaining it: once for each delivery, that counts.
    @inline(__always)
    func withConnection<Result>(_ body: (ConnectionCore) -> Result) -> Result {
        unsafe owner.unsafelyUnwrapped._withUnsafeGuaranteedRef(body)
    }

    /// Where the connection lies, for who looks no further.
    @inline(__always)
    var connectionAddress: UnsafeMutableRawPointer? { unsafe owner?.toOpaque() }

    /// Place of a topic in this list.
    func index(of topic: LoopTopic) -> Int? {
        memberships.firstIndex { $0.topic === topic }
    }
}
