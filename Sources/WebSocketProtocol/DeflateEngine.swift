/// The library behind a ``Deflater`` or an ``Inflater``.
///
/// `Benchmarks/engines.md` has the measurements from which the choices here follow.
@usableFromInline
package enum DeflateEngine: Equatable, Sendable {
    /// zlib: in every build, with every level and window.
    case zlib
    #if ISAL
        /// Intel's ISA-L, by the package trait of that name.
        case isal
    #endif

    /// Returns the engine for `compression.engine: auto` and a level of 1…9: ISA-L for its own
    /// levels 1…3, and zlib for 4…9, where size matters more than time.
    package static func automatic(level: Int) -> DeflateEngine {
        #if ISAL
            return level <= 3 ? .isal : .zlib
        #else
            return .zlib
        #endif
    }

    /// The engines in this build.
    package static var available: [DeflateEngine] {
        #if ISAL
            return [.zlib, .isal]
        #else
            return [.zlib]
        #endif
    }
}
