/// The masking keys of a client: unpredictable (RFC 6455 §10.3), taken from the system in bulk.
struct MaskingKeys {
    private var generator = SystemRandomNumberGenerator()
    /// Whether the keys are the same in each run, for tests.
    private let isSeeded: Bool
    private var seededKey: UInt64 = 0
    private var keys = [UInt32](repeating: 0, count: 256)
    private var used = 256

    init(isSeeded: Bool = false) { self.isSeeded = isSeeded }

    mutating func next() -> UInt32 {
        if used == keys.count {
            for index in stride(from: 0, to: keys.count, by: 2) {
                let both = isSeeded ? nextSeeded() : generator.next()
                keys[index] = UInt32(truncatingIfNeeded: both)
                keys[index + 1] = UInt32(both >> 32)
            }
            used = 0
        }
        defer { used += 1 }
        return keys[used]
    }

    private mutating func nextSeeded() -> UInt64 {
        // The steps of the Weyl sequence, which differ in every byte.
        seededKey &+= 0x9E37_79B9_7F4A_7C15
        return seededKey
    }
}
