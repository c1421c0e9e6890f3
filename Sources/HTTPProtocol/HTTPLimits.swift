/// The limits of one HTTP message, enforced while its bytes arrive.
///
/// Sizes are in bytes. Negative values count as zero.
package struct HTTPLimits: Sendable, Equatable {
    /// The size of a head: start line, field lines and the empty line after them, with their CRLFs.
    /// Beyond it, the error is 414 if the request line is incomplete, otherwise 431. The trailers
    /// of a chunked body together, and its chunk extensions together, each have the same limit.
    /// Default 8,192.
    package var headSizeMax: Int
    /// The number of field lines of a head, and of the trailers. Beyond it, the error is 431.
    /// Default 64, at most 65,000 (`HTTPFields` holds at most 65,534).
    package var headerCountMax: Int
    /// The size of the content, without the overhead of the chunked coding. Beyond it, the error is
    /// 413. Default 65,536.
    package var bodySizeMax: Int

    package init(
        headSizeMax: Int = 8_192, headerCountMax: Int = 64, bodySizeMax: Int = 65_536
    ) {
        self.headSizeMax = max(0, headSizeMax)
        self.headerCountMax = min(max(0, headerCountMax), 65_000)
        self.bodySizeMax = max(0, bodySizeMax)
    }
}
