import WebSocketServer

/// A client's connection to a ``TestServer``, and the faults of its network.
///
/// Each call returns when the server has done what it causes, as far as it runs on the server's
/// loop.
// Safety: the lanes are touched on the server's loop only.
public class TestConnection: @unchecked Sendable {
    /// The number of the connection, from 1 on, in the order of opening.
    public let number: Int
    let memory: MemoryServer
    let toServer: WireLane
    let toClient: WireLane

    init(_ wire: Wire, _ memory: MemoryServer) {
        number = wire.number
        self.memory = memory
        toServer = wire.toServer
        toClient = wire.toClient
    }

    /// Breaks the connection: both sides find a reset behind the bytes that have reached them.
    public func cut() async {
        await memory.perform { [self] in
            toServer.reset()
            toClient.reset()
        }
    }

    /// Makes the network swallow everything, in both directions and unnoticed, as when a cable is
    /// pulled. Only heartbeats and timeouts find this out.
    public func vanish() async {
        await memory.perform { [self] in
            toServer.isLost = true
            toClient.isLost = true
        }
    }

    /// Stops reading, so that the server experiences backpressure once ``WireConfiguration/capacity``
    /// bytes are on their way. Pings aren't answered either.
    public func stall() async { await memory.perform { [self] in toClient.isStalled = true } }

    /// Reads again after ``stall()``.
    public func resume() async { await memory.perform { [self] in toClient.isStalled = false } }

    /// The number of bytes that the server has sent and that wait for the client to read them.
    public var unreadCount: Int { get async { await memory.perform { [self] in toClient.count } } }
}

/// The properties of a connection in memory.
public struct WireConfiguration: Sendable {
    /// The bytes that each direction holds before the writer has to wait, as in a kernel's buffers.
    /// Default 256 KiB, `1...`.
    public var capacity = 256 << 10
    /// The most bytes of one read or write; `nil` for no limit. 1 gives every byte its own event.
    /// A ``TestServer`` with a seed makes smaller pieces, too. Default `nil`.
    public var pieceSizeMax: Int?

    /// Creates the default properties.
    public init() {}
}

/// What a connection consists of before either side uses it.
struct Wire: @unchecked Sendable {
    // Safety: used on the loop only.
    let number: Int
    let toServer: WireLane
    let toClient: WireLane

    /// - Parameter seed: Decides the sizes of pieces; `nil` makes them as large as possible.
    init(number: Int, options: WireConfiguration, seed: UInt64?) {
        self.number = number
        func lane(_ salt: UInt64) -> WireLane {
            let generator = seed.map { SplitMix($0 &+ salt &* 0x9E37_79B9_7F4A_7C15) }
            return WireLane(
                capacity: max(1, options.capacity),
                pieces: PieceSizes(max: options.pieceSizeMax ?? .max, generator: generator))
        }
        toServer = lane(UInt64(number) * 2)
        toClient = lane(UInt64(number) * 2 + 1)
    }

    func makeServerEnd() -> WireEnd { WireEnd(incoming: toServer, outgoing: toClient) }
    func makeClientEnd() -> WireEnd { WireEnd(incoming: toClient, outgoing: toServer) }
}
