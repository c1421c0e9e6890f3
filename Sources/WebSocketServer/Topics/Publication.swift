import HTTPProtocol
import Synchronization
public import WebSocketProtocol

/// One message for all subscribers of a topic: made once, shared by reference, never changed.
// Safety: it owns the frame's memory, which is written once, by the initializer.
@safe
public final class Publication: @unchecked Sendable {
    public let topic: String
    public let kind: MessageKind
    /// What the message is about, for topics that keep only the last of each key for slow
    /// subscribers; `nil`: about the topic as a whole.
    public let key: String?
    /// A number that no other publication of this process has.
    let id: UInt64
    /// The whole frame, as it goes to whoever gets it uncompressed; valid as long as the
    /// publication.
    let frame: UnsafeRawBufferPointer
    private let headerSize: Int

    private static let count = Atomic<UInt64>(0)

    /// A publication of any length; text must be UTF-8, which is not checked here.
    public init(_ payload: RawSpan, as kind: MessageKind, to topic: String, key: String? = nil) {
        self.topic = topic
        self.kind = kind
        self.key = key
        id = Self.count.wrappingAdd(1, ordering: .relaxed).newValue
        let size = FrameHeader.size(payload: payload.byteCount, isMasked: false)
        headerSize = size
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: size + payload.byteCount, alignment: 1)
        // Safety: there is room for the header and the payload, which are all that is written.
        _ = unsafe FrameHeader.encode(
            firstByte: FrameHeader.fin | kind.rawValue, payload: payload.byteCount,
            maskingKey: nil, to: memory.baseAddress!)
        unsafe payload.withUnsafeBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            unsafe (memory.baseAddress! + size).copyMemory(
                from: source, byteCount: bytes.count)
        }
        unsafe frame = UnsafeRawBufferPointer(memory)
    }

    deinit { unsafe frame.deallocate() }

    /// Bytes of the payload.
    public var payloadCount: Int { unsafe frame.count - headerSize }

    /// By bytes, as the table and the hub tell topics apart.
    func isSameTopic(as other: Publication) -> Bool {
        ExactString(topic) == ExactString(other.topic)
    }

    /// About what it takes while it waits; bytes.
    var sizeInMemory: Int { unsafe frame.count + 128 }

    /// The payload, valid as long as the publication.
    var payload: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: frame[headerSize...])
    }

    /// The payload; valid until the call returns.
    public func withPayload<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        try unsafe body(RawSpan(_unsafeBytes: payload))
    }
}
