extension ExactString {
    /// Returns whether a given secret is the expected one, which is never an empty text. The time
    /// depends only on the length of the given one.
    package func isSecret(_ expected: String) -> Bool {
        let (given, expected) = (Array(utf8), Array(expected.utf8))
        guard !expected.isEmpty else { return false }
        var difference: UInt8 = given.count == expected.count ? 0 : 1
        for index in given.indices {
            difference |= given[index] ^ expected[index % expected.count]
        }
        return difference == 0
    }
}
