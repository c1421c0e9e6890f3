import WebSocketProtocol

/// Checks shared contexts with any order of joins, leaves, losses and private messages: each
/// connection's decompressor, plain zlib, returns the published messages.
enum SharedContextTarget {
    /// The bytes in order.
    private final class Choices {
        var input: FuzzInput
        var left: Int

        init(_ input: FuzzInput) {
            self.input = input
            left = input.rest.count
        }

        func next() -> UInt8 {
            left -= 1
            return input.choice()
        }
    }

    static func test(_ input: FuzzInput) {
        let choices = Choices(input)
        let engines = DeflateEngine.available
        let world = SharedContextWorld(engine: engines[Int(choices.next()) % engines.count])
        world.windowCheckInterval = 1
        var script = SharedContextScript(world, readersMax: 12) { choices.next() }
        for _ in 0..<3 { script.join() }
        while choices.left > 0, world.faults.isEmpty {
            script.step()
            world.checkIdentity()
        }
        world.end()
        require(world.faults, equals: [], "faults")
    }
}
