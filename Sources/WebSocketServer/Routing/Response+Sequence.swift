public import HTTPTypes

extension Response {
    /// Creates a response whose body is the parts of an asynchronous sequence, such as an
    /// `AsyncStream` of bytes, or the lines of a report.
    ///
    /// The next part is asked for whenever the client has received enough of the previous ones. When
    /// the client leaves, the sequence is released, and the task that waits for its next part is
    /// cancelled.
    ///
    /// - Parameters:
    ///   - contentLength: The size of the whole body if it is known; otherwise the parts are sent in
    ///     chunks.
    ///   - parts: The parts: `[UInt8]`, `Data`, or any other sequences of bytes. If it throws, the
    ///     connection is reset. Not used for a HEAD request.
    public init<Parts: AsyncSequence & Sendable>(
        status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:],
        contentLength: Int? = nil, stream parts: Parts
    ) where Parts.Element: Sequence, Parts.Element.Element == UInt8 {
        let rest = RestOfSequence(parts)
        self.init(
            status: status, headerFields: headerFields, contentLength: contentLength
        ) { try await rest.next() }
    }
}

/// The rest of a sequence whose parts are being sent.
private final class RestOfSequence<Parts: AsyncSequence & Sendable>: @unchecked Sendable
where Parts.Element: Sequence, Parts.Element.Element == UInt8 {
    // Safety: a response is asked for one part after the other, never for two at once.

    private let parts: Parts
    /// The iterator; `nil` before the first part.
    private var iterator: Parts.AsyncIterator?

    init(_ parts: Parts) { self.parts = parts }

    func next() async throws -> [UInt8]? {
        var iterator = self.iterator ?? parts.makeAsyncIterator()
        defer { self.iterator = iterator }
        return try await iterator.next().map { Array($0) }
    }
}
