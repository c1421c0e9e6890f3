import Glibc

/// Runs one small piece of work a number of times, for counting its instructions.
///
///     micro CASE TIMES
///     micro --list
///
/// Two counts of a process, with few times and with many, differ by what the work costs and by
/// nothing else (`Benchmarks/micro`). What came of the work is printed, so that none of it can be
/// left out, and is checked where a case can tell.
@main
struct Micro {
    static let cases: [MicroCase] =
        maskingCases + textCases + sessionCases + compressionCases + topicCases + timerCases

    static func main() {
        let arguments = CommandLine.arguments
        if arguments.dropFirst() == ["--list"] {
            for each in cases { print(each.name, each.times) }
            return
        }
        guard arguments.count == 3, let times = Int(arguments[2]), times > 0,
            let chosen = cases.first(where: { $0.name == arguments[1] })
        else {
            print("usage: micro CASE TIMES | micro --list")
            exit(64)
        }
        print(chosen.run(times))
    }
}

/// A piece of work, and how often it is done between the two counts.
struct MicroCase: Sendable {
    let name: String
    let times: Int
    /// Does the work that many times. The result depends on all of them.
    let run: @Sendable (Int) -> Int
}

/// Sample bytes that are the same in each run.
enum Sample {
    static func bytes(_ count: Int) -> [UInt8] {
        var state: UInt64 = 88_172_645_463_325_252
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state >> 24)
        }
    }

    static func ascii(_ count: Int) -> [UInt8] { bytes(count).map { 32 + $0 % 95 } }

    /// Returns characters of two and three bytes between ASCII.
    static func mixedText(_ count: Int) -> [UInt8] {
        let words = Array("Größe 東京 ".utf8)
        let text = Array(repeatElement(words, count: count / words.count).joined())
        return text + repeatElement(32, count: count - text.count)
    }

    /// Returns updates of an order book, like the JSON of the load generator.
    static func json(_ count: Int) -> [UInt8] {
        let numbers = bytes(2 * count)
        var text = #"{"type":"l2update","product_id":"BTC-USD","changes":["#
        var next = 0
        func number(_ limit: Int) -> Int {
            next += 2
            return (Int(numbers[next - 2]) << 8 | Int(numbers[next - 1])) % limit
        }
        while text.utf8.count < count {
            let side = number(2) == 0 ? "buy" : "sell"
            text += #"["\#(side)","\#(20_000 + number(60_000)).\#(10 + number(90))","#
            text += #""\#(number(4)).\#(10_000 + number(60_000))"],"#
        }
        return Array(text.utf8.prefix(count))
    }
}
