import WebSocketProtocol

/// A checker that inflates replies and compares them with the sent messages; one per loop.
// Safety: it owns its buffer.
@safe
final class ReplyChecker {
    private var inflater: Inflater
    private var buffer = unsafe AssemblyBuffer()

    /// - Parameter windowBits: The window bits of the server's direction.
    init(windowBits: Int) { inflater = Inflater(engine: .zlib, windowBits: windowBits) }

    deinit { unsafe buffer.base?.deallocate() }

    /// Inflates a message. Returns `nil` if it is corrupt or longer than `limit`. Updates the data
    /// that later messages may refer to.
    func inflate(
        _ payload: [UInt8], limit: Int, after context: ReplyContext?
    ) -> [UInt8]? {
        unsafe buffer.count = 0
        let before =
            unsafe context?.history.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let outcome = unsafe payload.withUnsafeBytes { input in
            unsafe inflater.decompress(input, after: before, limit: limit, into: &buffer) {
                unsafe Self.grow(&$0, to: $1)
            }
        }
        guard case .done(let count) = outcome else { return nil }
        let plain = unsafe UnsafeRawBufferPointer(start: buffer.base, count: count)
        if let context { unsafe context.history.append(plain) }
        return unsafe Array(plain)
    }

    private static func grow(_ buffer: inout AssemblyBuffer, to capacity: Int) -> Bool {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
        if let base = unsafe buffer.base {
            unsafe memory.copyMemory(from: base, byteCount: buffer.count)
            unsafe base.deallocate()
        }
        unsafe buffer.base = memory
        unsafe buffer.capacity = capacity
        return true
    }
}

/// The data that a connection's compressed messages may refer to.
final class ReplyContext {
    var history: DeflateHistory

    init(windowBits: Int) { history = DeflateHistory(windowBits: windowBits) }
}
