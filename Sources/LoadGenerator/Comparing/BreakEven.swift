/// The link speed at which compression neither gains nor loses time.
///
/// A message that is compressed spends less time on the wire and more on the CPU. The slower the
/// link, the more the first counts; at the break-even speed they are the same.
package enum BreakEven: Sendable, Hashable {
    /// It saves no bytes.
    case never
    /// It saves bytes and costs no time.
    case always
    /// It pays on links slower than that, in Mbit/s.
    case below(Double)
    /// It saves bytes, and the CPU times differ by less than those of one case do among themselves.
    /// It pays on links slower than that, in Mbit/s, if it costs the more that noise may hide.
    case withinNoise(surelyBelow: Double)

    /// - Parameters:
    ///   - plain: of a message that is sent plain: its bytes on the wire, and the microseconds of
    ///     CPU time that it costs the server.
    ///   - compressed: the same of one that is compressed.
    ///   - noise: how far the CPU times of several runs lie apart, in microseconds.
    package init(
        plain: (wire: Double, cpu: Double), compressed: (wire: Double, cpu: Double),
        noise: Double = 0
    ) {
        let bitsSaved = 8 * (plain.wire - compressed.wire)
        let timeAdded = compressed.cpu - plain.cpu
        if bitsSaved <= 0 {
            self = .never
        } else if abs(timeAdded) < noise {
            // Bits a microsecond are Mbit/s.
            self = .withinNoise(surelyBelow: bitsSaved / (timeAdded + noise))
        } else if timeAdded <= 0 {
            self = .always
        } else {
            self = .below(bitsSaved / timeAdded)
        }
    }

    /// Whether it pays on a link of so many Mbit/s.
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

    /// In Mbit/s; `nil` for all but ``below(_:)``.
    package var megabits: Double? {
        if case .below(let speed) = self { return speed }
        return nil
    }

    /// In Mbit/s; `nil` for all but ``withinNoise(surelyBelow:)``.
    package var surelyBelow: Double? {
        if case .withinNoise(let speed) = self { return speed }
        return nil
    }

    /// One word, for programs.
    package var kind: String {
        switch self {
        case .never: "never"
        case .always: "always"
        case .below: "below"
        case .withinNoise: "within noise"
        }
    }

    /// The smallest size from which on it pays on such a link, at every larger one measured too;
    /// `nil` if there is none.
    package static func smallestSize(
        paying megabits: Double, _ measured: [(size: Int, breakEven: BreakEven)]
    ) -> Int? {
        measured.sorted { $0.size > $1.size }.prefix { $0.breakEven.pays(at: megabits) }.last?.size
    }
}
