import HTTPProtocol
import Synchronization
public import WebSocketProtocol

/// One message for all subscribers of a topic: encoded once, shared by reference, never changed.
// Safety: it owns the frame's memory, which only the initializer writes.
@safe
public final class Publication: @unchecked Sendable {
    /// The name of the topic.
    public let topic: String
    /// Text or binary.
    public let kind: MessageKind
    /// The subject of the message, on topics that keep only the last publication of each key for
    /// slow consumers; `nil` if it concerns the topic as a whole.
    public let key: String?
    /// A number that no other publication of this process has.
    package let id: UInt64
    /// The whole frame, uncompressed; valid as long as the publication.
    @usableFromInline package let frame: UnsafeRawBufferPointer
    /// The number of bytes of the payload.
    public let payloadCount: Int

    private static let count = Atomic<UInt64>(0)

    /// Creates a publication of any length. Text must be UTF-8, which is not checked here.
    public init(_ payload: RawSpan, as kind: MessageKind, to topic: String, key: String? = nil) {
        self.topic = topic
        self.kind = kind
        self.key = key
        id = Self.count.wrappingAdd(1, ordering: .relaxed).newValue
        let size = FrameHeader.size(payload: payload.byteCount, isMasked: false)
        payloadCount = payload.byteCount
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: size + payload.byteCount, alignment: 1)
        // Safety: there is room for the header and the payload, and nothing else is written.
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

    /// Creates a publication of a text message.
    public convenience init(_ text: String, to topic: String, key: String? = nil) {
        unsafe self.init(text.utf8Span.span.bytes, as: .text, to: topic, key: key)
    }

    /// Creates a publication of bytes, such as `[UInt8]` or `Data`; binary by default.
    @inlinable
    public convenience init(
        _ bytes: some Collection<UInt8>, as kind: MessageKind = .binary, to topic: String,
        key: String? = nil
    ) {
        let bytes = ContiguousArray(bytes)
        unsafe self.init(bytes.span.bytes, as: kind, to: topic, key: key)
    }

    deinit { unsafe frame.deallocate() }

    /// Returns whether both have the same topic, by bytes.
    package func isSameTopic(as other: Publication) -> Bool {
        ExactString(topic) == ExactString(other.topic)
    }

    /// The memory that it takes while it waits, in bytes, approximately.
    package var sizeInMemory: Int { unsafe frame.count + 128 }

    /// The payload; valid as long as the publication.
    package var payload: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: frame.suffix(payloadCount))
    }

    /// Calls `body` with the payload, which is valid until the call returns. Returns its result,
    /// and throws its error.
    public func withPayload<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        try unsafe body(RawSpan(_unsafeBytes: payload))
    }
}
