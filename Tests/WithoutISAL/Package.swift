// swift-tools-version: 6.2
import PackageDescription

// The protocol built without the trait `ISAL`, and its tests. A package of its own, of links to
// the library's sources and tests: `swift test --disable-default-traits` would build all else anew.
let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "apus-without-isal",
    dependencies: [
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0")
    ],
    targets: [
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(
            name: "WebSocketProtocol",
            dependencies: [
                .product(name: "HTTPTypes", package: "swift-http-types"), "COpenSSL", "CZlib",
            ],
            swiftSettings: common + [
                .strictMemorySafety(),
                .enableExperimentalFeature("Lifetimes"),
            ]),
        .testTarget(
            name: "WebSocketProtocolTests", dependencies: ["WebSocketProtocol", "CZlib"],
            swiftSettings: common),
    ]
)
