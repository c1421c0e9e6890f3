// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that an embedder of the library resolves none of its dependencies.
let package = Package(
    name: "apus-benchmarks",
    dependencies: [.package(name: "apus", path: "..")],
    targets: [
        .executableTarget(
            name: "EchoDriver",
            dependencies: [.product(name: "WebSocketServer", package: "apus")],
            swiftSettings: [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")])
    ]
)
