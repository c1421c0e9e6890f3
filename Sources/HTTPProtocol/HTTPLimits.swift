/// What one HTTP message may cost its reader; every limit holds while bytes arrive.
///
/// Sizes are bytes. A value below zero counts as zero.
package struct HTTPLimits: Sendable, Equatable {
    /// Start line, field lines and the empty line after them, all CRLFs counted. Past it: 414
    /// while the request line is still open, else 431. Trailers of a chunked body together, and
    /// its chunk extensions together, each have the same limit. Default 8,192.
    package var headSizeMax: Int
    /// Field lines in a head, and again in trailers; past it 431. Default 64, at most 65,000
    /// (`HTTPFields` holds no more than 65,534).
    package var headerCountMax: Int
    /// Bytes of content, without the chunked coding's own; past it 413. Default 65,536.
    package var bodySizeMax: Int

    package init(
        headSizeMax: Int = 8_192, headerCountMax: Int = 64, bodySizeMax: Int = 65_536
    ) {
        self.headSizeMax = max(0, headSizeMax)
        self.headerCountMax = min(max(0, headerCountMax), 65_000)
        self.bodySizeMax = max(0, bodySizeMax)
    }
}
