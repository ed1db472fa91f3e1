// swift-tools-version: 6.2
//
// The benchmark tool is a package of its own: it is no part of what users build.

import PackageDescription

let settings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "chorale-benchmarks",
    dependencies: [.package(name: "chorale", path: "..")],
    targets: [
        .executableTarget(
            name: "chorale-bench",
            dependencies: [
                "ExecutionMeasurements",
                .product(name: "ChoraleModules", package: "chorale"),
                // The program itself, so that one build makes both.
                .product(name: "chorale", package: "chorale"),
            ],
            swiftSettings: settings),
        // The executor's, apart from the nodes': they build without them.
        .target(
            name: "ExecutionMeasurements",
            dependencies: [.product(name: "ChoraleModules", package: "chorale")],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
