/// The link speed at which compression neither gains nor loses time.
///
/// A compressed message spends less time on the wire and more on the CPU. The slower the link, the
/// more the saved bytes matter. At the break-even speed, gain and loss are equal.
package enum BreakEven: Sendable, Hashable {
    /// Compression saves no bytes.
    case never
    /// Compression saves bytes and costs no time.
    case always
    /// Compression pays on links slower than this, in Mbit/s.
    case below(Double)
    /// Compression saves bytes, and the CPU times differ by less than the noise between runs of one
    /// case. It pays on links slower than `surelyBelow`, in Mbit/s, even if it costs the most that
    /// the noise may hide.
    case withinNoise(surelyBelow: Double)

    /// - Parameters:
    ///   - plain: The cost of a message that is sent uncompressed: its bytes on the wire, and the
    ///     microseconds of CPU time that it costs the server.
    ///   - compressed: The same for a compressed message.
    ///   - noise: The spread of the CPU times of several runs, in microseconds.
    package init(
        plain: (wire: Double, cpu: Double), compressed: (wire: Double, cpu: Double),
        noise: Double = 0
    ) {
        let bitsSaved = 8 * (plain.wire - compressed.wire)
        let timeAdded = compressed.cpu - plain.cpu
        if bitsSaved <= 0 {
            self = .never
        } else if abs(timeAdded) < noise {
            // Bits per microsecond equal Mbit/s.
            self = .withinNoise(surelyBelow: bitsSaved / (timeAdded + noise))
        } else if timeAdded <= 0 {
            self = .always
        } else {
            self = .below(bitsSaved / timeAdded)
        }
    }

    /// Returns whether compression pays on a link of this speed, in Mbit/s.
    package func pays(at megabits: Double) -> Bool {
        switch self {
        case .never: false
        case .always: true
        case .below(let speed), .withinNoise(let speed): megabits < speed
        }
    }

    package var text: String {
        switch self {
        case .never: "never"
        case .always: "always"
        case .below(let speed): "below \(Figures.linkSpeed(megabits: speed))"
        case .withinNoise(let speed):
            "within noise, surely below \(Figures.linkSpeed(megabits: speed))"
        }
    }

    /// The speed in Mbit/s; `nil` for all but ``below(_:)``.
    package var megabits: Double? {
        if case .below(let speed) = self { return speed }
        return nil
    }

    /// The speed in Mbit/s; `nil` for all but ``withinNoise(surelyBelow:)``.
    package var surelyBelow: Double? {
        if case .withinNoise(let speed) = self { return speed }
        return nil
    }

    /// The kind as one word, for programs.
    package var kind: String {
        switch self {
        case .never: "never"
        case .always: "always"
        case .below: "below"
        case .withinNoise: "within noise"
        }
    }

    /// Returns the smallest size from which compression pays on such a link: it must pay at every
    /// larger measured size, too. Returns `nil` if there is none.
    package static func smallestSize(
        paying megabits: Double, _ measured: [(size: Int, breakEven: BreakEven)]
    ) -> Int? {
        measured.sorted { $0.size > $1.size }.prefix { $0.breakEven.pays(at: megabits) }.last?.size
    }
}
