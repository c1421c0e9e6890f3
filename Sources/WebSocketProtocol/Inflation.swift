/// A message that is being inflated in slices: what is kept between two of them.
// Safety: the output's memory is the caller's, who gives it back.
@safe
package final class Inflation {
    let stream: any InflateStream
    /// The bytes of the compressed message that have been read.
    let consumed: Int
    /// What the message comes to so far; its memory is the caller's to give back.
    package var output: AssemblyBuffer

    init(_ stream: any InflateStream, consumed: Int, output: AssemblyBuffer) {
        self.stream = stream
        self.consumed = consumed
        unsafe self.output = unsafe output
    }

    /// The bytes that the stream takes, its output aside.
    package var memorySize: Int { stream.memorySize }
}
