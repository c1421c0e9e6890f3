/// The masking keys of a client: unpredictable (RFC 6455 §10.3), taken from the system in bulk.
struct MaskingKeys {
    private var generator = SystemRandomNumberGenerator()
    private var keys = [UInt32](repeating: 0, count: 256)
    private var used = 256

    mutating func next() -> UInt32 {
        if used == keys.count {
            for index in stride(from: 0, to: keys.count, by: 2) {
                let both = generator.next()
                keys[index] = UInt32(truncatingIfNeeded: both)
                keys[index + 1] = UInt32(both >> 32)
            }
            used = 0
        }
        defer { used += 1 }
        return keys[used]
    }
}
