import Foundation

/// The fuzz targets: `fuzz --target=NAME [libFuzzer's options] [CORPUS…]`.
enum Fuzz {
    /// The target named by the command line. libFuzzer ignores options with two dashes.
    static let test: @Sendable (FuzzInput) -> Void = {
        let option = "--target="
        let name = CommandLine.arguments.first { $0.hasPrefix(option) }?.dropFirst(option.count)
        switch name {
        case "request": return RequestTarget.test
        case "response": return ResponseTarget.test
        case "json": return JSONTarget.test
        case "form": return FormTarget.test
        case "token": return TokenTarget.test
        case "proxy-header": return ProxyHeaderTarget.test
        case "redis-reply": return RedisReplyTarget.test
        case "handshake": return HandshakeTarget.test
        case "server": return SessionTarget.testServer
        case "client": return SessionTarget.testClient
        case "inflate": return InflateTarget.test
        case "deflate": return DeflateTarget.test
        case "deflate-offers": return DeflateOffersTarget.test
        case "shared-context": return SharedContextTarget.test
        default: fail("--target= must be one of those in Tests/Fuzzing/run")
        }
    }()
}

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    Fuzz.test(FuzzInput(start, count))
    return 0
}

/// An input: a few bytes of choices, then the data to be tested.
struct FuzzInput {
    private var bytes: ArraySlice<UInt8>

    init(_ start: UnsafePointer<UInt8>?, _ count: Int) {
        bytes = Array(UnsafeBufferPointer(start: start, count: count))[...]
    }

    /// Returns the next choice, or 0 when none is left.
    mutating func choice() -> UInt8 { bytes.popFirst() ?? 0 }

    /// The rest of the input.
    var rest: [UInt8] { Array(bytes) }

    /// A generator that depends on the whole input, so that no bytes are needed to choose the
    /// splits.
    var generator: SeededGenerator {
        let hash = bytes.reduce(UInt64(bytes.count)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        return SeededGenerator(seed: hash)
    }
}

/// Ends the process unless both are equal; the fuzzer reports that as a finding.
func require<Value: Equatable>(
    _ value: @autoclosure () -> Value, equals expected: @autoclosure () -> Value,
    _ what: @autoclosure () -> String
) {
    let (value, expected) = (value(), expected())
    if value == expected { return }
    fail("\(what()): \(value), expected \(expected)")
}

func fail(_ what: String) -> Never {
    FileHandle.standardError.write(Data("FAULT: \(what)\n".utf8))
    abort()
}
