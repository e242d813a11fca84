// swift-tools-version: 6.2

import PackageDescription

let package = Package(
    name: "chargefold",
    products: [
        .executable(name: "chargefold", targets: ["chargefold"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
    ],
    targets: [
        // System libraries and the C shim.
        .target(name: "CEmbedded"),
        .target(name: "CLinux"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libssl libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CPostgreSQL", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),

        // Each wall of the house; arrows run one way (see README, "The house").
        .target(name: "Base", dependencies: ["CLinux"]),
        .target(name: "SQLite", dependencies: ["CSQLite", "Base"]),
        .target(name: "YAML", dependencies: ["CYAML"]),
        .target(name: "HTTPServer", dependencies: ["CLinux", "Base"]),
        .target(name: "HTTPClient", dependencies: ["Base", "CCurl", "COpenSSL"]),
        .target(name: "SessionModel", dependencies: ["Base"]),
        .target(name: "WebhookSecurity", dependencies: ["Base", "COpenSSL"]),
        .target(name: "Compression", dependencies: ["CZlib"]),
        .target(
            name: "EventLog", dependencies: ["Base", "CLinux", .product(name: "Logging", package: "swift-log")]),
        .target(
            name: "Replication",
            dependencies: ["Base", "CLinux", "CPostgreSQL", .product(name: "Logging", package: "swift-log")]),
        .target(
            name: "SessionIndex",
            dependencies: [
                "Base", "CSQLite", "EventLog", "SQLite", "SessionModel",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .target(
            name: "Ledger",
            dependencies: [
                "Base", "CSQLite", "SQLite", "SessionModel", .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .target(
            name: "SessionStore",
            dependencies: [
                "Base", "EventLog", "Ledger", "Replication", "SQLite", "SessionIndex", "SessionModel",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .target(name: "DriveAPI", dependencies: ["HTTPClient", "Base", "SessionModel", "WebhookSecurity"]),
        .target(
            name: "Sandbox",
            dependencies: ["HTTPClient", "HTTPServer", "Base", "SessionModel", "WebhookSecurity", "YAML"]
        ),
        .target(
            name: "Receiver",
            dependencies: [
                "Base", "CEmbedded", "CLinux", "Compression", "DriveAPI", "EventLog", "HTTPClient", "HTTPServer",
                "Ledger", "Replication", "SessionIndex",
                "SessionModel", "SessionStore",
                "WebhookSecurity", "YAML",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Configuration", package: "swift-configuration"),
            ]
        ),
        .executableTarget(
            name: "chargefold",
            dependencies: [
                "Base", "Compression", "DriveAPI", "HTTPClient", "Ledger", "Receiver", "Replication", "Sandbox",
                "SessionIndex",
                "SessionModel",
                "SessionStore", "WebhookSecurity",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]
        ),

        .testTarget(name: "ArchitectureTests"),
        .target(name: "HTTPServerTestSupport", dependencies: ["HTTPServer"], path: "Tests/HTTPServerTestSupport"),
        .testTarget(
            name: "HTTPServerTests", dependencies: ["CLinux", "HTTPServer", "HTTPServerTestSupport", "Base"]),
        .testTarget(name: "HTTPClientTests", dependencies: ["HTTPClient", "HTTPServer"]),
        .target(name: "TestSupport", dependencies: ["Base", "CSQLiteFaults"], path: "Tests/TestSupport"),
        .testTarget(name: "SQLiteTests", dependencies: ["CSQLite", "SQLite", "TestSupport"]),
        .testTarget(name: "SessionModelTests", dependencies: ["Base", "SessionModel"]),
        .testTarget(name: "WebhookSecurityTests", dependencies: ["Base", "WebhookSecurity"]),
        .testTarget(
            name: "EventLogTests",
            dependencies: [
                "Base", "CLinux", "EventLog", "StoreTestSupport", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .target(
            name: "PostgresTestSupport", dependencies: ["Base", "Replication"], path: "Tests/PostgresTestSupport"),
        .testTarget(
            name: "ReplicationTests",
            dependencies: [
                "Base", "PostgresTestSupport", "Replication", .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .testTarget(name: "CompressionTests", dependencies: ["Compression"]),
        .testTarget(
            name: "ChargefoldTests",
            dependencies: ["Base", "CSQLite", "Compression", "HTTPClient", "SessionModel", "chargefold"]),
        .target(name: "CSQLiteFaults", dependencies: ["CSQLite"], path: "Tests/CSQLiteFaults"),
        .target(
            name: "StoreTestSupport",
            dependencies: [
                "Base", "EventLog", "SessionIndex", "SessionModel", .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/StoreTestSupport"
        ),
        .testTarget(
            name: "SessionIndexTests",
            dependencies: [
                "Base", "CSQLite", "EventLog", "SQLite", "SessionIndex", "SessionModel", "StoreTestSupport",
                "TestSupport",
            ]
        ),
        .testTarget(
            name: "SessionStoreTests",
            dependencies: [
                "Base", "CSQLite", "EventLog", "Ledger", "SQLite", "SessionIndex", "SessionModel", "SessionStore",
                "StoreTestSupport", "TestSupport", .product(name: "Logging", package: "swift-log"),
            ]
        ),
        .testTarget(
            name: "LedgerTests",
            dependencies: [
                "CSQLite", "CSQLiteFaults", "Base", "Ledger", "SQLite", "SessionModel", "StoreTestSupport",
                "TestSupport",
            ]
        ),
        .testTarget(
            name: "DriveAPITests",
            dependencies: ["DriveAPI", "HTTPClient", "HTTPServer", "Base", "SessionModel", "WebhookSecurity"]
        ),
        .testTarget(
            name: "SandboxTests",
            dependencies: [
                "DriveAPI", "HTTPClient", "HTTPServer", "Base", "Sandbox", "SessionModel", "WebhookSecurity",
            ]
        ),
        .testTarget(
            name: "ReceiverTests",
            dependencies: [
                "CSQLite", "Compression", "DriveAPI", "HTTPClient", "HTTPServer", "Base", "Ledger",
                "PostgresTestSupport", "Receiver",
                "Replication",
                "SessionModel",
                "SessionIndex", "SessionStore", "TestSupport", "WebhookSecurity",
                .product(name: "Logging", package: "swift-log"),
            ]
        ),
    ],
    swiftLanguageModes: [.v6]
)

// Only where scripts/fuzz asks for it: linking needs libFuzzer, and every target its instrumentation.
if Context.environment["CHARGEFOLD_FUZZING"] != nil {
    package.targets += [
        .target(name: "CFuzzer", path: "Fuzzing/CFuzzer"),
        .executableTarget(
            name: "fuzzer",
            dependencies: [
                "Base", "CFuzzer", "Compression", "DriveAPI", "EventLog", "HTTPServer", "HTTPServerTestSupport",
                "Receiver", "SessionIndex", "SessionModel", "SessionStore", "WebhookSecurity",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Fuzzing/Fuzzer"),
    ]
}

// Only where scripts/bench asks for it.
if Context.environment["CHARGEFOLD_BENCHMARK"] != nil {
    package.targets.append(
        .executableTarget(
            name: "store-fill",
            dependencies: ["SessionModel", "SessionStore", .product(name: "Logging", package: "swift-log")],
            path: "Benchmarks/Fill"))
}

let targetsInC = ["CEmbedded", "CFuzzer", "CLinux", "CSQLiteFaults"]
for target in package.targets
where [.executable, .test, .regular].contains(target.type) && !targetsInC.contains(target.name) {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]
}

// What a worker and its connections own is touched by one thread only, in calls that do not come back to it. Tests are
// debug builds and check that at run time; in a release each check would cost as much as the access that it guards, for
// some thirty accesses a request.
if let server = package.targets.first(where: { $0.name == "HTTPServer" }) {
    server.swiftSettings?.append(
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)))
}

// A release is hardened as Debian's own packages are: the C parts check the bounds that the compiler knows (glibc's
// _FORTIFY_SOURCE), and every address is looked up before `main`, so that the table of them is read-only afterwards.
// AddressSanitizer, which the fuzzer has, checks more by itself, and does not see into the checked functions.
if Context.environment["CHARGEFOLD_FUZZING"] == nil {
    for target in package.targets where targetsInC.contains(target.name) {
        target.cSettings = [.define("_FORTIFY_SOURCE", to: "3", .when(configuration: .release))]
    }
}
if let executable = package.targets.first(where: { $0.type == .executable }) {
    executable.linkerSettings = [
        .unsafeFlags(
            ["-Xlinker", "-z", "-Xlinker", "relro", "-Xlinker", "-z", "-Xlinker", "now"],
            .when(configuration: .release))
    ]
}
