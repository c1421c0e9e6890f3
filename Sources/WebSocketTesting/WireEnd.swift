import CLibuv
import UVTransport

/// One end of a connection in memory, as the transport of a stream.
final class WireEnd: StreamTransport {
    private let incoming: WireLane
    private let outgoing: WireLane

    init(incoming: WireLane, outgoing: WireLane) {
        self.incoming = incoming
        self.outgoing = outgoing
        super.init()
        incoming.onReadable = { [weak self] in self?.signal() }
        outgoing.onWritable = { [weak self] in self?.signal() }
    }

    override var ready: StreamEvents {
        var events: StreamEvents = []
        if incoming.isReadable { events.insert(.readable) }
        if outgoing.hasRoom { events.insert(.writable) }
        return events
    }

    override func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch unsafe incoming.read(into: buffer) {
        case .bytes(let count): count
        case .nothing: Int(UV_EAGAIN.rawValue)
        case .end: 0
        case .reset: Int(UV_ECONNRESET.rawValue)
        }
    }

    override func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let count = unsafe outgoing.write(bytes) else { return Int(UV_EPIPE.rawValue) }
        if outgoing.isAbandoned { incoming.reset() }
        return count > 0 ? count : Int(UV_EAGAIN.rawValue)
    }

    override func finishSending() { outgoing.finish() }

    override func close(reset: Bool) {
        outgoing.onWritable = {}
        // Unread bytes make a kernel answer with a reset (RFC 1122 §4.2.2.13).
        if incoming.abandon() || reset { outgoing.reset() } else { outgoing.finish() }
    }

    override var unacknowledgedCount: Int { outgoing.unacknowledged }
    override var acknowledgedCount: Int? { outgoing.acknowledged }
}
