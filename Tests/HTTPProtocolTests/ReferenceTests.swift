import HTTPProtocol
import HTTPTypes
import Testing

@Suite("The parser agrees with a simple second implementation")
struct ReferenceTests {
    /// Returns the parser's result for the first request in `bytes`, in the format of the second
    /// implementation.
    private func outcome(_ bytes: [UInt8]) -> ReferenceParser.Outcome {
        let steps = requestSteps(bytes)
        guard let end = steps.firstIndex(of: .end) else {
            return steps.refusal.map { .refused($0) } ?? .incomplete
        }
        let first = Array(steps[...end])
        guard let head = first.heads.first else { return .incomplete }
        var body: [UInt8] = []
        if first.count == 3, case .body(let bytes) = first[1] { body = bytes }
        let fields = head.request.headerFields.map { field in
            field.name.canonicalName + ":" + field.withUnsafeBytesOfValue { latin1($0) }
        }
        return .request(
            method: head.request.method.rawValue, path: head.request.path ?? "",
            authority: head.request.authority, fields: fields, body: latin1(body))
    }

    private func latin1(_ bytes: some Sequence<UInt8>) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: bytes.map { Unicode.Scalar($0) })
        return String(view)
    }

    @Test("On every string of the corpus")
    func corpus() {
        for text in Corpus.requests {
            let bytes = Array(text.utf8)
            #expect(outcome(bytes) == ReferenceParser.parse(bytes), "\(text.debugDescription)")
        }
    }

    @Test("On mutated strings", arguments: 0..<8)
    func mutated(seed: Int) {
        var random = SeededGenerator(seed: UInt64(1_000 + seed))
        for _ in 0..<500 {
            let base = Array(Corpus.requests.randomElement(using: &random)!.utf8)
            let bytes = Corpus.mutated(base, using: &random)
            let (ours, twins) = (outcome(bytes), ReferenceParser.parse(bytes))
            if ours != twins {
                Issue.record("\(latin1(bytes).debugDescription): \(ours), twin \(twins)")
            }
        }
    }
}
