import HTTPProtocol
import HTTPTypes

/// The events of an HTTP parser, with content joined, so that splits have no effect.
private struct Transcript<Head: Equatable>: Equatable {
    enum Step: Equatable {
        case head(Head)
        case body([UInt8])
        case end
        case failed(HTTPFault)
    }

    var steps: [Step] = []

    mutating func add(_ content: ArraySlice<UInt8>) {
        if content.isEmpty { fail("empty content") }
        if case .body(let before) = steps.last {
            steps[steps.count - 1] = .body(before + content)
        } else {
            steps.append(.body(Array(content)))
        }
    }
}

private let limits = [
    HTTPLimits(), HTTPLimits(headSizeMax: 128, headerCountMax: 3, bodySizeMax: 4),
    HTTPLimits(headSizeMax: 0, headerCountMax: 0, bodySizeMax: 0),
    HTTPLimits(headSizeMax: 512, headerCountMax: 8, bodySizeMax: 64),
]

/// Passes each piece of `bytes` in separate memory until `parse` needs more. `parse` returns the
/// number of consumed bytes, or `nil` at its end.
private func feed(
    _ bytes: [UInt8], cuts: [Int], _ parse: (UnsafeRawBufferPointer, ArraySlice<UInt8>) -> Int?
) {
    var start = 0
    for end in cuts + [bytes.count] {
        var rest = bytes[start..<end]
        start = end
        var isDone = false
        while !isDone {
            let copy = UnsafeMutableRawBufferPointer.allocate(
                byteCount: rest.count, alignment: 1)
            defer { copy.deallocate() }
            copy.copyBytes(from: rest)
            guard let consumed = parse(UnsafeRawBufferPointer(copy), rest) else { return }
            isDone = consumed < 0
            if !isDone, consumed > rest.count { fail("\(consumed) of \(rest.count) consumed") }
            rest = rest.dropFirst(max(0, consumed))
        }
    }
}

/// The value with which `feed` continues with the next piece.
private let wantsMore = -1

/// Checks the request parser: the same events however the bytes are split, and the twin's result
/// for the first request.
enum RequestTarget {
    static func test(_ input: FuzzInput) {
        var input = input
        let choice = Int(input.choice() & 3)
        let limits = limits[choice]
        let bytes = input.rest
        var random = input.generator
        let whole = read(bytes, [], limits)
        // The twin only knows the default limits, and none of a head's size.
        if choice == 0, bytes.count <= limits.headSizeMax {
            require(outcome(whole), equals: ReferenceParser.parse(bytes), "of the first request")
        }
        for cuts in [Array(bytes.indices), random.cuts(of: bytes.count)] {
            require(read(bytes, cuts, limits), equals: whole, "cut at \(cuts)")
        }
    }

    /// The first request in the twin's format.
    private static func outcome(_ read: Transcript<RequestHead>) -> ReferenceParser.Outcome {
        guard let end = read.steps.firstIndex(of: .end), case .head(let head) = read.steps[0]
        else {
            if case .failed(let fault) = read.steps.last { return .refused(fault.status.code) }
            return .incomplete
        }
        var body: [UInt8] = []
        if end == 2, case .body(let content) = read.steps[1] { body = content }
        let fields = head.request.headerFields.map { field in
            field.name.canonicalName + ":" + field.withUnsafeBytesOfValue { latin1($0) }
        }
        return .request(
            method: head.request.method.rawValue, path: head.request.path ?? "",
            authority: head.request.authority, fields: fields, body: latin1(body))
    }

    private static func latin1(_ bytes: some Sequence<UInt8>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: bytes.map { Unicode.Scalar($0) })
        return String(view)
    }

    private static func read(
        _ bytes: [UInt8], _ cuts: [Int], _ limits: HTTPLimits
    ) -> Transcript<RequestHead> {
        var parser = RequestParser(limits: limits)
        var transcript = Transcript<RequestHead>()
        feed(bytes, cuts: cuts) { piece, rest in
            let (event, consumed) = parser.parse(piece)
            switch event {
            case .needMore:
                if consumed != piece.count { fail("more is needed, but not all consumed") }
                return wantsMore
            case .head(let head):
                transcript.steps.append(.head(head))
            case .body(let range):
                transcript.add(Array(rest)[range][...])
            case .end:
                transcript.steps.append(.end)
            case .failed(let fault):
                let again = parser.parse(piece)
                require(again.event, equals: event, "after a fault")
                transcript.steps.append(.failed(fault))
                return nil
            }
            return consumed
        }
        return transcript
    }
}

/// Checks the response parser: the same events however the bytes are split, also at the
/// connection's end.
enum ResponseTarget {
    static func test(_ input: FuzzInput) {
        var input = input
        let mode = input.choice()
        let limits = limits[Int(mode & 3)]
        let bytes = input.rest
        var random = input.generator
        let whole = read(bytes, [], limits, isHead: mode & 4 != 0)
        for cuts in [Array(bytes.indices), random.cuts(of: bytes.count)] {
            let read = read(bytes, cuts, limits, isHead: mode & 4 != 0)
            require(read, equals: whole, "cut at \(cuts)")
        }
    }

    private static func read(
        _ bytes: [UInt8], _ cuts: [Int], _ limits: HTTPLimits, isHead: Bool
    ) -> Transcript<HTTPResponse> {
        var parser = ResponseParser(limits: limits)
        parser.isHead = isHead
        var transcript = Transcript<HTTPResponse>()
        var isOver = false
        feed(bytes, cuts: cuts) { piece, rest in
            let (event, consumed) = parser.parse(piece)
            switch event {
            case .needMore: return wantsMore
            case .head(let head): transcript.steps.append(.head(head))
            case .body(let range): transcript.add(Array(rest)[range][...])
            case .end: transcript.steps.append(.end)
            case .failed(let fault):
                transcript.steps.append(.failed(fault))
                isOver = true
                return nil
            }
            return consumed
        }
        if isOver { return transcript }
        switch parser.finish() {
        case .end: transcript.steps.append(.end)
        case .failed(let fault): transcript.steps.append(.failed(fault))
        case .needMore: break
        case .head, .body: fail("the end brings a head or content")
        }
        return transcript
    }
}
