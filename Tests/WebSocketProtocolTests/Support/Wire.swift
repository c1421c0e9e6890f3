import WebSocketProtocol

/// Frames as exact bytes, valid or invalid (RFC 6455 §5.2).
enum Wire {
    /// The form of a payload's length; only `minimal` is valid.
    enum LengthForm { case minimal, seven, sixteen, sixtyFour }

    static let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

    /// Returns a frame as the peer of `role` sends it. `announced` replaces the actual length.
    static func frame(
        _ opcode: UInt8, _ payload: [UInt8] = [], to role: Session.Role, isFinal: Bool = true,
        reserved: UInt8 = 0, form: LengthForm = .minimal, announced: UInt64? = nil,
        isMasked: Bool? = nil, key: [UInt8] = key
    ) -> [UInt8] {
        let isMasked = isMasked ?? (role == .server)
        let length = announced ?? UInt64(payload.count)
        let bytes = (0..<8).reversed().map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }
        var form = form
        if form == .minimal {
            form = length < 126 ? .seven : length < 65_536 ? .sixteen : .sixtyFour
        }
        let lengthBits: [UInt8] =
            switch form {
            case .seven, .minimal: [bytes[7]]
            case .sixteen: [126] + bytes[6...]
            case .sixtyFour: [127] + bytes
            }
        var frame = [(isFinal ? 0x80 : 0) | reserved | opcode] + lengthBits
        guard isMasked else { return frame + payload }
        frame[1] |= 0x80
        return frame + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
    }

    static func text(_ text: String, to role: Session.Role, isFinal: Bool = true) -> [UInt8] {
        frame(1, Array(text.utf8), to: role, isFinal: isFinal)
    }

    static func binary(_ size: Int, to role: Session.Role, isFinal: Bool = true) -> [UInt8] {
        frame(2, pattern(size), to: role, isFinal: isFinal)
    }

    static func more(
        _ payload: [UInt8] = [], to role: Session.Role, isFinal: Bool = true
    ) -> [UInt8] {
        frame(0, payload, to: role, isFinal: isFinal)
    }

    static func close(
        _ code: UInt16?, _ reason: [UInt8] = [], to role: Session.Role
    ) -> [UInt8] {
        let bytes = code.map { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] } ?? []
        return frame(8, bytes + reason, to: role)
    }

    /// Bytes whose period isn't the size of a word.
    static func pattern(_ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 8) }
    }
}
