/// The library that does the work of a ``Deflater`` or an ``Inflater``.
///
/// Measured here (two cores of an AMD EPYC under other load, best of seven, CPU time) on the JSON
/// of `Benchmarks/load/wsload.c`: µs a message, and the share of its bytes that is left. Window
/// bits and memLevel are 12 and 5, `server_window_bits`' and memLevel's defaults; each message is
/// compressed alone.
///
///     plain   zlib 1        zlib 6         ISA-L 1       ISA-L 2       ISA-L 3
///     160 B     6.6  0.886     6.7  0.881    3.3  0.875    3.4  0.875    4.0  0.875
///     256 B     8.3  0.763     8.8  0.759    4.3  0.761    4.6  0.761    5.1  0.761
///     1 KiB    16.1  0.515    21.1  0.495    6.7  0.518    6.9  0.518    8.0  0.513
///     4 KiB    42.0  0.404    73.8  0.369   13.9  0.394   12.6  0.394   17.3  0.381
///     16 KiB    193  0.370     322  0.325   30.7  0.348   31.7  0.347   53.8  0.333
///     64 KiB    784  0.359   1,301  0.312    115  0.335    118  0.333    204  0.319
///
/// After a history (context takeover), at level 1: priming is paid for each message. Window 12 and
/// memLevel 5 but for 32 KiB, which needs 15 and 8.
///
///     plain   after     zlib           ISA-L
///     131 B   0           6.3  0.929     2.9  0.922
///             512 B       2.6  0.350     2.4  0.358
///             4 KiB       6.0  0.307     3.4  0.313
///             32 KiB     36.6  0.292    11.3  0.286
///     1 KiB   0          15.6  0.517     6.2  0.520
///             512 B      17.3  0.472     6.5  0.470
///             4 KiB      16.7  0.378     6.6  0.370
///             32 KiB     45.9  0.374    17.0  0.373
///     4 KiB   0          41.0  0.404    13.6  0.394
///             512 B      50.7  0.389    14.3  0.375
///             4 KiB      57.6  0.378    13.0  0.346
///             32 KiB     63.7  0.355    23.0  0.348
///
/// So a window of 12 bits has nearly all that takeover gives, and its priming costs less than it
/// saves or not much; 32 KiB of it cost more than the message does.
///
/// ISA-L is the faster at every size: there is no crossover. Our level 1 is its level 3 from 2 to
/// 16 KiB (``ISALDeflater``). It stops some 3 % short of zlib's
/// level 6 in bytes, for a quarter of the time: those few per cent are what levels 4…9 buy.
///
/// ISA-L's level buffer is its «small» one, 16 Ki tokens (84 KiB at level 1): the «large» one of
/// 276 KiB is no faster (64 KiB 120 µs, 4 KiB 13.9), the least one of 24 KiB is slower from 4 KiB
/// on (192 and 19.6). Its stateless call saves nothing either (112 and 12.4). Starting anew costs
/// zlib a clearing of its hash heads, 8 KiB at memLevel 5 and 64 KiB at 8: lost in the noise.
@usableFromInline
package enum DeflateEngine: Equatable, Sendable {
    /// Always there; every level and window.
    case zlib
    #if ISAL
        /// Intel's ISA-L, by the package trait of that name.
        case isal
    #endif

    /// The engine for `compression.engine: auto`, by `compression.level` (1…9): ISA-L for 1…3,
    /// its own levels; zlib for 4…9, which say that bytes matter more than time.
    package static func automatic(level: Int) -> DeflateEngine {
        #if ISAL
            return level <= 3 ? .isal : .zlib
        #else
            return .zlib
        #endif
    }

    /// All there are in this build.
    package static var available: [DeflateEngine] {
        #if ISAL
            return [.zlib, .isal]
        #else
            return [.zlib]
        #endif
    }
}
