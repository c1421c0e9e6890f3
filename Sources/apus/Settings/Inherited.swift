/// A kind that also accepts the word `inherit`, read as `nil`: the value that holds elsewhere.
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
    /// Accepts `inherit` too, which is the default of what a route may have of its own.
    var inherited: Inherited<Self> { Inherited(base: self) }
}
