// swift-tools-version: 6.2
import PackageDescription

// A separate package, so that everything in it is built with coverage for the fuzzer and with
// AddressSanitizer. Its folders in `Sources` are links to the library and to the tests' helpers:
// `package` declarations can only be used within one package.
let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let library: [SwiftSetting] =
    common + [
        .strictMemorySafety(),
        .enableExperimentalFeature("Lifetimes"),
    ]

let package = Package(
    name: "apus-fuzzing",
    dependencies: [
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0")
    ],
    targets: [
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .target(
            name: "HTTPProtocol",
            dependencies: [.product(name: "HTTPTypes", package: "swift-http-types")],
            swiftSettings: library),
        .target(
            name: "WebSocketProtocol",
            dependencies: [
                .product(name: "HTTPTypes", package: "swift-http-types"), "COpenSSL", "CZlib",
                "CISAL",
            ],
            swiftSettings: library + [.define("ISAL")]),
        .target(
            name: "PubSub", dependencies: ["HTTPProtocol", "WebSocketProtocol"],
            swiftSettings: library),
        .target(name: "TestSupport", dependencies: ["CZlib"], swiftSettings: common),
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "HTTPProtocol", "PubSub", "TestSupport", "WebSocketProtocol", "CZlib",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: common),
    ]
)
