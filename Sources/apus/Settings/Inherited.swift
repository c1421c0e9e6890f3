/// A kind that also accepts the word `inherit`, read as `nil`: the server's value applies.
struct Inherited<Base: Kind>: Kind {
    private static var word: String { "inherit" }
    let base: Base

    var accepted: String { "\(Self.word), or \(base.accepted)" }

    func parse(_ text: String) throws(Rejection) -> Base.Value? {
        if text == Self.word { return nil }
        return try base.parse(text)
    }

    func write(_ value: Base.Value?) -> String { value.map(base.write) ?? Self.word }
}

extension Kind {
    /// The kind that also accepts `inherit`, the default of each key that a route may override.
    var inherited: Inherited<Self> { Inherited(base: self) }
}
