import HTTPProtocol
import HTTPTypes
import Testing

/// One event of a parse. Content is joined, so that the events don't depend on how the bytes were
/// split.
enum Step: Equatable, CustomStringConvertible {
    case head(RequestHead)
    case response(HTTPResponse)
    case body([UInt8])
    case end
    case failed(HTTPFault)

    var description: String {
        switch self {
        case .head(let head): "head(\(head.request.method) \(head.request.path ?? "-"))"
        case .response(let response): "response(\(response.status.code))"
        case .body(let bytes): "body(\(String(decoding: bytes, as: UTF8.self)))"
        case .end: "end"
        case .failed(let fault): "failed(\(fault.status.code) \(fault.detail))"
        }
    }
}

extension [Step] {
    mutating func add(_ content: ArraySlice<UInt8>) {
        if case .body(let before) = last {
            self[count - 1] = .body(before + content)
        } else {
            append(.body([UInt8](content)))
        }
    }

    /// The status of the refusal at the end of this transcript.
    var refusal: Int? {
        if case .failed(let fault) = last { fault.status.code } else { nil }
    }

    var heads: [RequestHead] {
        compactMap { if case .head(let head) = $0 { head } else { nil } }
    }

    var bodies: [String] {
        compactMap {
            if case .body(let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil }
        }
    }

    var ends: Int { count { $0 == .end } }
}

/// Splits `bytes` at `cuts` (ascending offsets) and parses the pieces, each in its own memory.
func requestSteps(
    _ bytes: [UInt8], cuts: [Int] = [], limits: HTTPLimits = HTTPLimits()
) -> [Step] {
    var parser = RequestParser(limits: limits)
    var steps: [Step] = []
    for piece in pieces(of: bytes, cuts: cuts) {
        var rest = piece[...]
        while true {
            let copy = Array(rest)
            let (event, consumed) = copy.withUnsafeBytes { parser.parse($0) }
            expectSane(consumed, of: copy.count)
            switch event {
            case .needMore: #expect(consumed == copy.count)
            case .head(let head): steps.append(.head(head))
            case .body(let range):
                #expect(!range.isEmpty && range.upperBound == consumed)
                steps.add(copy[range])
            case .end: steps.append(.end)
            case .failed(let fault):
                let again = copy.withUnsafeBytes { parser.parse($0) }
                #expect(again.event == .failed(fault) && again.consumed == 0)
                return steps + [.failed(fault)]
            }
            rest = rest.dropFirst(consumed)
            if event == .needMore { break }
        }
    }
    return steps
}

func requestSteps(_ text: String, limits: HTTPLimits = HTTPLimits()) -> [Step] {
    requestSteps(Array(text.utf8), limits: limits)
}

/// Does the same as ``requestSteps(_:cuts:limits:)`` for responses; to HEAD requests if `isHead`.
func responseSteps(
    _ bytes: [UInt8], cuts: [Int] = [], isHead: Bool = false, isFinished: Bool = false,
    limits: HTTPLimits = HTTPLimits()
) -> [Step] {
    var parser = ResponseParser(limits: limits)
    parser.isHead = isHead
    var steps: [Step] = []
    for piece in pieces(of: bytes, cuts: cuts) {
        var rest = piece[...]
        while true {
            let copy = Array(rest)
            let (event, consumed) = copy.withUnsafeBytes { parser.parse($0) }
            expectSane(consumed, of: copy.count)
            switch event {
            case .needMore: break
            case .head(let head): steps.append(.response(head))
            case .body(let range): steps.add(copy[range])
            case .end: steps.append(.end)
            case .failed(let fault): return steps + [.failed(fault)]
            }
            rest = rest.dropFirst(consumed)
            if event == .needMore { break }
        }
    }
    guard isFinished else { return steps }
    switch parser.finish() {
    case .end: steps.append(.end)
    case .failed(let fault): steps.append(.failed(fault))
    default: break
    }
    return steps
}

private func expectSane(_ consumed: Int, of count: Int) {
    #expect(0...count ~= consumed)
}

private func pieces(of bytes: [UInt8], cuts: [Int]) -> [[UInt8]] {
    let edges = [0] + cuts + [bytes.count]
    return zip(edges, edges.dropFirst()).map { Array(bytes[$0..<$1]) }
}

/// A small seeded generator (SplitMix64), so that failures are reproducible.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

/// Returns a GET request with these lines after its Host.
func get(_ lines: String...) -> String {
    "GET / HTTP/1.1\r\nHost: a\r\n" + lines.map { $0 + "\r\n" }.joined() + "\r\n"
}

/// Returns a chunked POST request with this content.
func chunked(_ content: String) -> String {
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + content
}
