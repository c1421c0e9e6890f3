/// The state of a message that is decompressed in slices, between two of them.
// Safety: the caller owns the output's memory and frees it.
@safe
package final class Inflation {
    let stream: any InflateStream
    /// The number of bytes of the compressed message that have been read.
    let consumed: Int
    /// The message so far. The caller frees its memory.
    package var output: AssemblyBuffer

    init(_ stream: any InflateStream, consumed: Int, output: AssemblyBuffer) {
        self.stream = stream
        self.consumed = consumed
        unsafe self.output = unsafe output
    }

    /// The size of the stream in bytes, without the output.
    package var memorySize: Int { stream.memorySize }
}
