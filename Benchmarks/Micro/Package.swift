// swift-tools-version: 6.2
import PackageDescription

// A package of its own, of links to the library's sources: so `package` declarations can be used,
// and what is internal to a module is compiled into the program that measures it.
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
        .define("ISAL"),
    ]

let package = Package(
    name: "apus-micro",
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
            swiftSettings: library),
        .target(
            name: "PubSub", dependencies: ["HTTPProtocol", "WebSocketProtocol"],
            swiftSettings: library),
        .executableTarget(
            name: "micro", dependencies: ["PubSub", "WebSocketProtocol"],
            swiftSettings: common + [.enableExperimentalFeature("Lifetimes")]),
    ]
)
