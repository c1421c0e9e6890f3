/// A reply of Redis, in RESP2. Its texts are bytes chosen by a peer.
package enum RedisReply: Equatable {
    /// A simple string or a bulk string.
    case text([UInt8])
    case error(RedisText)
    case integer(Int)
    case null
    case array([RedisReply])
}

extension RedisReply {
    /// Whether this answer to `HELLO` comes from a replica that keeps publications to itself; `nil`
    /// if the answer doesn't say.
    ///
    /// False for a replica in a cluster, where every node forwards publications to all others.
    package var isFromReplica: Bool? {
        guard let role = member("role") else { return nil }
        return role == .utf8("replica") && member("mode") != .utf8("cluster")
    }

    /// Returns the value of a name, in an array of names and values.
    private func member(_ name: String) -> RedisReply? {
        guard case .array(let elements) = self else { return nil }
        let name = RedisReply.utf8(name)
        for index in stride(from: 0, to: elements.count - 1, by: 2) where elements[index] == name {
            return elements[index + 1]
        }
        return nil
    }

    package static func utf8(_ text: String) -> RedisReply { .text(Array(text.utf8)) }
}

/// Returns a command in the form that Redis reads. The arguments may hold any bytes.
package func redisCommand(_ arguments: [[UInt8]]) -> [UInt8] {
    var command: [UInt8] = []
    // The header of an argument has at most 24 bytes: its length has up to 19 digits.
    command.reserveCapacity(arguments.reduce(24) { $0 + $1.count + 24 })
    command += "*\(arguments.count)\r\n".utf8
    for argument in arguments {
        command += "$\(argument.count)\r\n".utf8
        command += argument
        command += "\r\n".utf8
    }
    return command
}
