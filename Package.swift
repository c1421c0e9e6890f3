// swift-tools-version: 6.2
import PackageDescription

/// CI sets `APUS_STRICT=1`: a warning in a target of ours is an error.
let strict: [SwiftSetting] =
    Context.environment["APUS_STRICT"] == "1" ? [.treatAllWarnings(as: .error)] : []

/// Every target of ours: Swift 6, imports that don't leak, `any` spelled out.
let common: [SwiftSetting] =
    strict + [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ]

/// Library targets also mark every unsafe use (SE-0458), and may keep `Span`s in results.
let library: [SwiftSetting] =
    common + [
        .strictMemorySafety(),
        .enableExperimentalFeature("Lifetimes"),
    ]

/// The targets of development: the words in `APUS_DEVELOPMENT`, separated by commas. Packages that
/// use the library never see these targets.
///
/// - `benchmarks`: the programs that count instructions.
/// - `fuzzing`: the fuzz targets. They only link with libFuzzer (`Tests/Fuzzing/run`).
/// - `hummingbird`: the example with Hummingbird, which is downloaded for it.
/// - `packaging`: links `apus` for packages, smaller (`Packaging/dist`).
let development = Set((Context.environment["APUS_DEVELOPMENT"] ?? "").split(separator: ","))

/// What only the server `apus` needs. Without its trait, Swift Package Manager resolves no package
/// that is only used under this condition.
let server: TargetDependencyCondition? = .when(traits: ["Server"])

let package = Package(
    name: "apus",
    products: [
        .library(name: "WebSocketServer", targets: ["WebSocketServer"]),
        .library(name: "RedisBroker", targets: ["RedisBroker"]),
        .library(name: "WebSocketTesting", targets: ["WebSocketTesting"]),
        .executable(name: "apus", targets: ["apus"]),
    ],
    traits: [
        .default(enabledTraits: ["ISAL", "Server"]),
        .trait(name: "ISAL", description: "Compress with Intel's ISA-L where it is faster."),
        .trait(
            name: "Server",
            description: "Resolve the packages of the server apus, which the library doesn't need."
        ),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(
            url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CLibuv", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CLibSSL", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .target(
            name: "CBuildInfo",
            cSettings: [.define("APUS_ISAL", .when(traits: ["ISAL"]))],
            linkerSettings: [.linkedLibrary("sqlite3")]),

        .target(
            name: "HTTPProtocol",
            dependencies: [.product(name: "HTTPTypes", package: "swift-http-types")],
            swiftSettings: library),
        .target(
            name: "WebSocketProtocol",
            dependencies: [
                .product(name: "HTTPTypes", package: "swift-http-types"), "COpenSSL", "CZlib",
                .target(name: "CISAL", condition: .when(traits: ["ISAL"])),
            ],
            swiftSettings: library),
        .target(
            name: "PubSub", dependencies: ["HTTPProtocol", "WebSocketProtocol"],
            swiftSettings: library),
        .target(name: "TLSFilter", dependencies: ["CLibSSL"], swiftSettings: library),
        .target(
            name: "UVTransport", dependencies: ["CLibuv", "TLSFilter"], swiftSettings: library),
        .target(
            name: "WebSocketServer",
            dependencies: [
                "HTTPProtocol", "PubSub", "WebSocketProtocol", "TLSFilter", "UVTransport",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: library),
        .target(name: "RedisProtocol", swiftSettings: library),
        .target(
            name: "RedisBroker",
            dependencies: [
                "RedisProtocol", "WebSocketServer", "UVTransport", "TLSFilter",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: library),
        .target(
            name: "AppInput",
            dependencies: [
                "HTTPProtocol", .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: library),
        .target(
            name: "RealtimeApp",
            dependencies: [
                "AppInput", "HTTPProtocol", "WebSocketServer", "COpenSSL",
                .product(name: "GRDB", package: "GRDB.swift", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "JWTKit", package: "jwt-kit", condition: server),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("Page/index.html")], swiftSettings: library),
        .target(
            name: "WebSocketTesting",
            dependencies: [
                "HTTPProtocol", "UVTransport", "WebSocketServer",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: library),
        .target(
            name: "LoadGenerator",
            dependencies: [
                "HTTPProtocol", "WebSocketProtocol", "TLSFilter", "UVTransport",
                "WebSocketServer",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Histogram", package: "hdrhistogram-swift", condition: server),
            ],
            swiftSettings: library),
        .executableTarget(
            name: "apus",
            dependencies: [
                "AppInput", "HTTPProtocol", "LoadGenerator", "RealtimeApp", "RedisBroker",
                "TLSFilter", "UVTransport", "WebSocketServer", "CBuildInfo", "CLibuv", "COpenSSL",
                "CZlib",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Configuration", package: "swift-configuration", condition: server),
                .product(name: "Yams", package: "Yams", condition: server),
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser", condition: server),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("Admin/Page/dashboard.html")], swiftSettings: common),

        // The README's example, so that it compiles.
        .executableTarget(
            name: "Example", dependencies: ["WebSocketServer"], path: "Tests/Example",
            swiftSettings: [.swiftLanguageMode(.v6)]),
        // Servers on real sockets, their clients, and child processes, for our own tests.
        .target(
            name: "LiveTesting", dependencies: ["WebSocketServer", "WebSocketTesting"],
            path: "Tests/LiveTesting", swiftSettings: library),
        // What test targets and fuzz targets share.
        .target(
            name: "TestSupport", dependencies: ["PubSub", "WebSocketProtocol", "CZlib"],
            path: "Tests/TestSupport", swiftSettings: common),
        .testTarget(
            name: "HTTPProtocolTests",
            dependencies: [
                "HTTPProtocol", "TestSupport",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "WebSocketProtocolTests",
            dependencies: [
                "TestSupport", "WebSocketProtocol", "CZlib",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "PubSubTests",
            dependencies: ["PubSub", "TestSupport", "WebSocketProtocol", "LiveTesting"],
            swiftSettings: common),
        .testTarget(
            name: "UVTransportTests",
            dependencies: ["UVTransport", "CLibuv", "WebSocketServer", "LiveTesting"],
            swiftSettings: common),
        .testTarget(
            name: "TLSFilterTests", dependencies: ["TLSFilter", "LiveTesting"],
            swiftSettings: common),
        .testTarget(
            name: "WebSocketServerTests",
            dependencies: [
                "HTTPProtocol", "PubSub", "TestSupport", "TLSFilter", "UVTransport",
                "WebSocketProtocol", "WebSocketServer", "LiveTesting", "CZlib",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "WebSocketTestingTests",
            dependencies: [
                "WebSocketServer", "WebSocketTesting",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "RedisProtocolTests", dependencies: ["RedisProtocol", "LiveTesting"],
            swiftSettings: common),
        .testTarget(
            name: "RedisBrokerTests",
            dependencies: ["RedisBroker", "WebSocketServer", "LiveTesting", "UVTransport"],
            swiftSettings: common),
        .testTarget(
            name: "AppInputTests", dependencies: ["AppInput", "HTTPProtocol"],
            swiftSettings: common),
        .testTarget(
            name: "RealtimeAppTests",
            dependencies: [
                "AppInput", "HTTPProtocol", "RealtimeApp", "UVTransport", "WebSocketServer",
                "LiveTesting",
                .product(name: "GRDB", package: "GRDB.swift", condition: server),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "JWTKit", package: "jwt-kit", condition: server),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "LoadGeneratorTests",
            dependencies: [
                "LoadGenerator", "WebSocketProtocol", "WebSocketServer",
                .product(name: "Histogram", package: "hdrhistogram-swift", condition: server),
            ],
            swiftSettings: common),
        .testTarget(
            name: "ApusTests",
            dependencies: [
                "apus", "LoadGenerator", "RedisBroker", "WebSocketServer", "LiveTesting",
                .product(
                    name: "ArgumentParser", package: "swift-argument-parser", condition: server),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common),
    ]
)

/// An example is compiled as a package of a user would be. `Examples/README.md` has a list.
func example(
    _ name: String, in folder: String, dependencies: [Target.Dependency] = []
) -> Target {
    .executableTarget(
        name: name, dependencies: ["WebSocketServer"] + dependencies, path: "Examples/\(folder)",
        exclude: folder == "files" ? ["public"] : [],
        swiftSettings: strict + [.swiftLanguageMode(.v6)])
}

let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")

package.targets += [
    example("example-chat", in: "chat"),
    example("example-token", in: "token"),
    example("example-rest", in: "rest"),
    example("example-publisher", in: "publisher", dependencies: [lifecycle]),
    example("example-files", in: "files"),
    example("example-rooms", in: "compared/apus", dependencies: [lifecycle]),
    .target(
        name: "example-poll", dependencies: ["WebSocketServer"], path: "Examples/unit-test/Poll",
        swiftSettings: strict + [.swiftLanguageMode(.v6)]),
    .testTarget(
        name: "example-poll-tests", dependencies: ["example-poll", "WebSocketTesting"],
        path: "Examples/unit-test/PollTests",
        swiftSettings: strict + [.swiftLanguageMode(.v6)]),
]

if development.contains("hummingbird") {
    package.dependencies.append(
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"))
    package.targets.append(
        example(
            "example-hummingbird", in: "hummingbird",
            dependencies: [
                lifecycle, .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
            ]))
}

if development.contains("benchmarks") {
    // Valgrind 3.19 fails on the shared Swift runtime. `--static-swift-stdlib` would compile all
    // modules anew, so only the link differs from the server's; it needs what the option adds.
    let staticRuntime: [LinkerSetting] = [
        .unsafeFlags(["-static-stdlib"]), .linkedLibrary("_FoundationCShims"),
        .linkedLibrary("_FoundationCollections"),
    ]
    package.targets += [
        .executableTarget(
            name: "EchoDriver", dependencies: ["WebSocketServer"], path: "Benchmarks/EchoDriver",
            swiftSettings: common, linkerSettings: staticRuntime),
        .executableTarget(
            name: "micro", dependencies: ["PubSub", "UVTransport", "WebSocketProtocol"],
            path: "Benchmarks/Micro", exclude: ["thresholds"],
            swiftSettings: common + [.enableExperimentalFeature("Lifetimes")],
            linkerSettings: staticRuntime),
    ]
}

if development.contains("fuzzing") {
    package.targets.append(
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "AppInput", "HTTPProtocol", "PubSub", "RedisProtocol", "TestSupport",
                "WebSocketProtocol", "CZlib",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            path: "Tests/Fuzzing/Targets", swiftSettings: common))
}

if development.contains("packaging") {
    // The program exports no symbols, and its relocations are packed (glibc 2.36), which only lld
    // can do. The object file has ICU's data without other languages than English.
    let options = ["--no-export-dynamic", "-z", "pack-relative-relocs", "--build-id=sha1"]
    package.targets.first { $0.name == "apus" }?.linkerSettings = [
        .unsafeFlags(
            ["-use-ld=lld", Context.packageDirectory + "/.build-dist/icu/icudata.o"]
                + options.flatMap { ["-Xlinker", $0] })
    ]
}

// `APUS_TESTS` names the test targets to build, separated by commas; by default, all are built.
if let tests = Context.environment["APUS_TESTS"]?.split(separator: ",") {
    package.targets.removeAll { $0.type == .test && !tests.contains($0.name[...]) }
}
