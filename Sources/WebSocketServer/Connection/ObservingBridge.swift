/// A ping or pong that a server sent, with its payload.
package enum ControlFrame: Sendable, Hashable {
    case ping([UInt8])
    case pong([UInt8])
}

/// The bridge of a client's connection whose owner wants to see pings and pongs.
final class ObservingBridge: AsyncBridge, @unchecked Sendable {
    // Safety: as its superclass.

    private let onControlFrame: @Sendable (ControlFrame) -> Void

    init(_ onControlFrame: @escaping @Sendable (ControlFrame) -> Void) {
        self.onControlFrame = onControlFrame
    }

    func observe(_ frame: ControlFrame) { onControlFrame(frame) }
}
