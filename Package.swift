// swift-tools-version: 6.2
//
// The manifest is the architecture: a target may depend only on targets in the rows above its own
// (docs/architecture.md). C libraries come from Debian through pkg-config; `scripts/setup` installs
// them.

import PackageDescription

/// `FUZZ=1`: everything is instrumented for libFuzzer, which drives `chorale-fuzz` (docs/fuzzing.md).
let isFuzzing = Context.environment["FUZZ"] == "1"
let fuzzing: [SwiftSetting] =
    isFuzzing ? [.unsafeFlags(["-sanitize=fuzzer"]), .define("LIBFUZZER")] : []

/// `CHORALE_COMMIT=…`: the commit for `chorale --version`, as `make` gives it. Part of the environment
/// rather than `Context.gitInformation`, because a manifest is evaluated again when its environment
/// changes and not when the checkout does.
let commit = (Context.environment["CHORALE_COMMIT"] ?? "").filter { $0.isHexDigit || $0 == "+" }

/// What every Swift target is compiled with.
let base: [SwiftSetting] =
    fuzzing + [
        .treatAllWarnings(as: .error),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]

/// Everything that does not face C also says `unsafe` wherever it leaves memory safety.
let strict = base + [.strictMemorySafety()]

/// Tests are not optimised; what they test is. Most of what the optimiser finds in a test is what its expectations
/// would do if they failed, and it takes two to eight times as long as compiling. The module comes out of the same
/// job as the code, as in optimised builds: a job of its own would check every file's types once more.
let unoptimised = base + [.unsafeFlags(["-Onone", "-no-emit-module-separately-wmo"])]

func cLibrary(_ name: String, _ pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func module(
    _ name: String,
    _ dependencies: [Target.Dependency] = [],
    settings: [SwiftSetting] = strict
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: ["README.md"], swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name + "Tests",
        dependencies: dependencies + ["TestSupport", "ChoraleBase"],
        swiftSettings: unoptimised
    )
}

let ordered: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let argumentParser: Target.Dependency =
    .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "chorale",
    products: [
        .executable(name: "chorale", targets: ["chorale"]),
        .executable(name: "chorale-sim", targets: ["chorale-sim"]),
        // The modules, for the package of Benchmarks/.
        .library(
            name: "ChoraleModules",
            targets: [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Noise", "Yamux",
                "Connection", "Gossipsub", "Kademlia", "Bodies", "Swarm", "Node", "NodeHost",
                "DriverUV", "Curves", "Spartan", "ProofSystems", "Groth16", "Attestation",
                "Inference", "Operations", "Subproof", "OperationKinds", "Execution", "Store",
            ]),
        .executable(name: "chorale-fuzz", targets: ["chorale-fuzz"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        // C libraries
        .target(name: "CGlibc"),
        cLibrary("CLibuv", "libuv", apt: "libuv1-dev"),
        cLibrary("CSodium", "libsodium", apt: "libsodium-dev"),
        cLibrary("CSnappy", "snappy", apt: "libsnappy-dev"),
        cLibrary("CZlib", "zlib", apt: "zlib1g-dev"),
        cLibrary("CRocksDB", "rocksdb", apt: "librocksdb-dev"),
        cLibrary("CSecp256k1", "libsecp256k1", apt: "libsecp256k1-dev"),
        cLibrary("CLibcrypto", "libcrypto", apt: "libssl-dev"),
        cLibrary("CGMP", "gmp", apt: "libgmp-dev"),
        cLibrary("CAres", "libcares", apt: "libc-ares-dev"),
        cLibrary("CMicrohttpd", "libmicrohttpd", apt: "libmicrohttpd-dev"),
        cLibrary("CCurl", "libcurl", apt: "libcurl4-openssl-dev"),

        .target(
            name: "CBuildInfo",
            cSettings: commit.isEmpty ? [] : [.define("CHORALE_COMMIT", to: "\"\(commit)\"")]),

        // Keccak-256 on several messages at once
        .target(name: "CKeccak"),

        // CRC-32C by the processor's instruction
        .target(name: "CCRC32C"),

        // Base
        module("ChoraleBase"),

        // Crypto and codecs
        module(
            "Crypto", ["ChoraleBase", "CSodium", "CLibcrypto", "CSecp256k1", "CGMP", "CKeccak"],
            settings: base
        ),
        module("Codec", ["ChoraleBase", "CSnappy", "CCRC32C", "CZlib"]),

        // Curves
        module("Curves", ["ChoraleBase", "Crypto"]),

        // Proofs without a trusted set-up
        module("Spartan", ["ChoraleBase", "Crypto"]),
        // Proof systems behind one interface
        module("ProofSystems", ["ChoraleBase", "Crypto", "Codec"]),
        module("Groth16", ["ChoraleBase", "Crypto", "Codec", "Curves", "ProofSystems"]),

        // Evidence of trusted hardware
        module("Attestation", ["ChoraleBase", "Crypto", "Codec", "ProofSystems"]),

        // Inference of quantised models, in parts that are proven
        module("Inference", ["ChoraleBase", "Crypto", "Spartan", "ProofSystems"]),

        // Execution
        module("Execution", ["ChoraleBase", "Crypto", "Codec", "Curves"]),

        // Ethereum's official test files, read and judged
        module("Conformance", ["ChoraleBase", "Crypto", "Codec", "Execution"]),

        // Calls over sockets
        module("JSONRPC", ["ChoraleBase", "Crypto", "Codec"]),
        module("EngineAPI", ["ChoraleBase", "Crypto", "Codec", "JSONRPC", "Execution"]),

        // Transactions that wait for a block
        module("TransactionPool", ["ChoraleBase", "Crypto", "Execution"]),

        // Calls of wallets and scripts
        module(
            "EthereumRPC",
            ["ChoraleBase", "Crypto", "Codec", "JSONRPC", "Execution", "TransactionPool"]),

        // Types
        module("PeerIdentity", ["ChoraleBase", "Crypto", "Codec"]),
        module("ChoraleTypes", ["ChoraleBase", "Crypto", "Codec", "PeerIdentity"]),

        // Protocols: machines. None imports another.
        module("Multistream", ["ChoraleBase", "Codec"]),
        module("Noise", ["ChoraleBase", "Crypto", "Codec", "PeerIdentity"]),
        module("Yamux", ["ChoraleBase", deque]),
        module("Identify", ["ChoraleBase", "Codec", "PeerIdentity"]),
        module("Ping", ["ChoraleBase"]),
        module("Swarm", ["ChoraleBase", "Codec", "PeerIdentity", "ChoraleTypes", ordered]),
        module(
            "Kademlia",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", ordered, deque,
                heap,
            ]),
        module(
            "Gossipsub", ["ChoraleBase", "Crypto", "Codec", "PeerIdentity", ordered, deque, heap]),
        module("RequestResponse", ["ChoraleBase", "Codec", ordered, deque]),
        module(
            "Bodies",
            ["ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", ordered, deque]),

        module(
            "Consensus",
            ["ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", ordered]),

        // Operations that are executed once: what the chain keeps of them, and who verifies them in parts
        module(
            "Operations",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "ProofSystems",
                "Attestation", ordered,
            ]),
        module(
            "Subproof", ["ChoraleBase", "Crypto", "Codec", "ChoraleTypes", ordered]),

        // What kinds of operations are to those who execute and verify them
        module(
            "OperationKinds",
            [
                "ChoraleBase", "Crypto", "Codec", "ChoraleTypes", "Operations", "ProofSystems",
                "Inference",
            ]),

        // The chain: what a validator, and whoever follows, makes of agreement and execution
        module(
            "Chain",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Execution",
                "Consensus", "Operations", "Subproof", "TransactionPool", "ProofSystems",
                "Attestation",
                ordered, deque,
            ]),

        // Who verifies its share of what others have executed, and who executes
        module(
            "PartVerification",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Operations",
                "Subproof", "ProofSystems", "Inference", "OperationKinds", "Chain", ordered, deque,
            ]),
        module(
            "ExecutorAgent",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Operations",
                "ProofSystems", "Attestation", "Inference", "OperationKinds", "Chain",
                "PartVerification", ordered,
            ]),

        // Node: the machines above composed into one
        module(
            "Connection",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "Multistream", "Noise", "Yamux",
                ordered, deque,
            ]),
        module(
            "Node",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Multistream",
                "Noise", "Yamux", "Connection", "Identify", "Ping", "Swarm", "Kademlia",
                "Gossipsub", "RequestResponse", "Bodies", "Execution", "Consensus",
                "TransactionPool", "Operations", "Subproof", "Chain", "PartVerification",
                "ExecutorAgent", ordered, deque, heap,
            ]),

        // Drivers
        module(
            "DriverUV", ["ChoraleBase", "Codec", "CGlibc", "CLibuv", "CAres"], settings: base),
        module(
            "Store",
            [
                "ChoraleBase", "Crypto", "Codec", "ChoraleTypes", "Consensus", "Execution", "Chain",
                "CRocksDB",
            ],
            settings: base),
        module("HTTP", ["ChoraleBase", "CGlibc", "CMicrohttpd", "CCurl"], settings: base),
        module("Telemetry", ["ChoraleBase", "HTTP"], settings: base),
        module(
            "RPCServer", ["ChoraleBase", "Crypto", "Codec", "JSONRPC", "HTTP"], settings: base),
        module(
            "CrossValidation",
            ["ChoraleBase", "Crypto", "Codec", "JSONRPC", "Execution", "EngineAPI", "HTTP"],
            settings: base),
        module(
            "RemoteProving",
            ["ChoraleBase", "Crypto", "Codec", "ProofSystems", "HTTP"], settings: base),
        module(
            "NodeHost",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Operations",
                "Chain", "PartVerification", "Swarm", "Node", "DriverUV",
            ], settings: base),
        module(
            "Admin",
            [
                "ChoraleBase", "Codec", "JSONRPC", "PeerIdentity", "ChoraleTypes", "Consensus",
                "Execution", "TransactionPool", "Operations", "Subproof", "Chain",
                "PartVerification", "ExecutorAgent", "Swarm", "Node", "DriverUV",
            ], settings: base),
        module(
            "Simulator",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Multistream",
                "Noise", "Yamux", "Connection", "Swarm", "Gossipsub", "Kademlia", "Bodies", "Node",
                "Consensus", "Execution", "TransactionPool", "Operations", "Subproof", "Chain",
                "PartVerification", "ExecutorAgent", "OperationKinds", "Inference", deque, heap,
                ordered,
            ]
        ),

        // Programs
        module(
            "ChoraleCLI",
            [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Swarm",
                "Gossipsub", "Kademlia", "Node", "NodeHost", "DriverUV", "Store", "Telemetry",
                "Admin", "JSONRPC", "Execution", "EngineAPI", "EthereumRPC", "TransactionPool",
                "Consensus", "Operations", "Subproof", "ProofSystems", "Attestation", "Inference",
                "OperationKinds",
                "Chain", "PartVerification", "ExecutorAgent", "CrossValidation", "Conformance",
                "CBuildInfo", "HTTP", "RPCServer",
                argumentParser,
            ], settings: base),
        .executableTarget(
            name: "chorale",
            dependencies: ["ChoraleCLI"],
            exclude: ["README.md"],
            swiftSettings: base
        ),
        .executableTarget(
            name: "chorale-sim",
            dependencies: ["ChoraleBase", "Simulator", argumentParser],
            exclude: ["README.md"],
            swiftSettings: base
        ),

        // Fuzzing
        .target(
            name: "FuzzTargets",
            dependencies: [
                "ChoraleBase", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Multistream",
                "Noise", "Yamux", "Connection", "Identify", "Swarm", "Kademlia", "Gossipsub",
                "RequestResponse", "Bodies", "Ping", "Node", "DriverUV", "JSONRPC", "Admin",
                "ChoraleCLI", "Curves", "Spartan", "Execution", "Consensus", "EngineAPI", "Chain",
                "Attestation", "Inference", "ProofSystems", "Groth16", "RemoteProving", "Subproof",
                "Operations", "PartVerification", "ExecutorAgent", "MadeEnclaves", ordered,
            ], path: "Fuzz/Targets", swiftSettings: strict),
        .executableTarget(
            name: "chorale-fuzz", dependencies: ["ChoraleBase", "FuzzTargets", argumentParser],
            path: "Fuzz/Main", swiftSettings: base,
            linkerSettings: isFuzzing
                ? [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])] : []),

        // Tests
        .target(
            name: "TestSupport", dependencies: ["ChoraleBase"], path: "Tests/TestSupport",
            swiftSettings: [.treatAllWarnings(as: .error)]),
        .target(
            name: "MadeEnclaves",
            dependencies: ["ChoraleBase", "Crypto", "Codec", "Attestation", "CLibcrypto"],
            path: "Tests/MadeEnclaves", swiftSettings: [.treatAllWarnings(as: .error)]),
        .target(
            name: "StoreContract", dependencies: ["ChoraleBase", "ChoraleTypes"],
            path: "Tests/StoreContract", swiftSettings: base),
        tests("ChoraleBase", []),
        tests("Crypto", ["Crypto"]),
        tests("Codec", ["Codec"]),
        tests("Execution", ["Execution", "Conformance", "Crypto", "Codec"]),
        tests("Conformance", ["Conformance", "Execution", "Codec"]),
        tests(
            "EngineAPI",
            [
                "EngineAPI", "JSONRPC", "Execution", "Conformance", "Codec", "Crypto", "RPCServer",
                "HTTP",
            ]),
        tests("TransactionPool", ["TransactionPool", "Execution", "Crypto"]),
        tests(
            "EthereumRPC",
            ["EthereumRPC", "TransactionPool", "JSONRPC", "Execution", "Codec", "Crypto"]),
        tests("Curves", ["Curves", "Crypto"]),
        tests("Spartan", ["Spartan", "Crypto", "CSodium", "CGMP"]),
        tests("ProofSystems", ["ProofSystems", "Crypto", "Codec"]),
        tests("Groth16", ["Groth16", "ProofSystems", "Curves", "Crypto", "Codec"]),
        tests(
            "Attestation", ["Attestation", "ProofSystems", "Crypto", "Codec", "MadeEnclaves"]),
        tests("Inference", ["Inference", "Crypto", "Spartan", "ProofSystems"]),
        tests("PeerIdentity", ["PeerIdentity", "Crypto", "Codec"]),
        tests("ChoraleTypes", ["ChoraleTypes", "PeerIdentity", "Crypto", "Codec"]),
        tests("Multistream", ["Multistream"]),
        tests("Noise", ["Noise", "Crypto", "PeerIdentity"]),
        tests("Yamux", ["Yamux"]),
        tests("Identify", ["Identify", "Codec", "PeerIdentity", "Crypto"]),
        tests("Ping", ["Ping"]),
        tests("Swarm", ["Swarm", "Codec", "PeerIdentity", "ChoraleTypes"]),
        tests(
            "Kademlia",
            ["Kademlia", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", ordered]),
        tests("Gossipsub", ["Gossipsub", "Crypto", "Codec", "PeerIdentity"]),
        tests("RequestResponse", ["RequestResponse", "Codec"]),
        tests("Bodies", ["Bodies", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", ordered]),
        tests("Consensus", ["Consensus", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes"]),
        tests("Subproof", ["Subproof", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes"]),
        tests(
            "OperationKinds",
            [
                "OperationKinds", "Operations", "Inference", "ProofSystems", "ChoraleTypes",
                "Crypto", "Codec",
            ]),
        tests(
            "Operations",
            [
                "Operations", "ChoraleTypes", "PeerIdentity", "Execution", "Crypto", "Codec",
                "ProofSystems", "Attestation", "MadeEnclaves", ordered,
            ]),
        tests(
            "Chain",
            [
                "Chain", "Consensus", "Operations", "Subproof", "TransactionPool", "Execution",
                "Conformance", "Crypto",
                "Codec", "PeerIdentity", "ChoraleTypes", "ProofSystems", "Attestation",
                "MadeEnclaves", ordered,
            ]),
        tests(
            "PartVerification",
            [
                "PartVerification", "Chain", "Operations", "Subproof", "OperationKinds",
                "Inference", "Attestation", "MadeEnclaves",
                "ProofSystems", "Crypto", "Codec", "PeerIdentity", "ChoraleTypes", ordered,
            ]),
        tests(
            "ExecutorAgent",
            [
                "ExecutorAgent", "PartVerification", "Chain", "Operations", "OperationKinds",
                "Inference", "ProofSystems", "Attestation", "MadeEnclaves", "Crypto", "Codec",
                "PeerIdentity", "ChoraleTypes",
                ordered,
            ]),
        tests(
            "Connection",
            ["Connection", "Crypto", "PeerIdentity", "Multistream", "Noise", "Yamux"]),
        tests(
            "Node",
            [
                "Node", "Bodies", "Gossipsub", "Kademlia", "Swarm", "Crypto", "PeerIdentity",
                "Codec",
                "ChoraleTypes", "Connection", "Multistream", "Noise", "Yamux", "Identify",
                "RequestResponse",
            ]),
        tests("DriverUV", ["DriverUV", "Codec"]),
        tests(
            "Store",
            [
                "Store", "ChoraleTypes", "StoreContract", "CRocksDB", "Crypto", "Codec",
                "Consensus",
                "Execution", "Conformance", "Chain",
            ]),
        tests("HTTP", ["HTTP"]),
        tests("Telemetry", ["Telemetry", "HTTP"]),
        tests("JSONRPC", ["JSONRPC", "Codec", "Crypto"]),
        tests("RPCServer", ["RPCServer", "HTTP", "JSONRPC", "Codec", "Crypto"]),
        tests(
            "CrossValidation",
            [
                "CrossValidation", "RPCServer", "EngineAPI", "JSONRPC", "Codec", "Crypto",
                "Execution", "Conformance", "HTTP",
            ]),
        tests(
            "RemoteProving",
            ["RemoteProving", "ProofSystems", "HTTP", "Crypto", "Codec"]),
        tests(
            "Simulator",
            [
                "Simulator", "Node", "Swarm", "PeerIdentity", "Codec", "ChoraleTypes", "Crypto",
                "Consensus", "Execution", "Chain", "PartVerification", "ExecutorAgent",
                "Attestation", "Operations", "MadeEnclaves", "StoreContract",
            ]),
        tests(
            "Admin",
            [
                "Admin", "Codec", "Crypto", "PeerIdentity", "ChoraleTypes", "Operations",
                "Subproof",
                "PartVerification", "ExecutorAgent", "Swarm", "Node", "NodeHost", "DriverUV",
            ]),
        tests(
            "ChoraleCLI",
            [
                "ChoraleCLI", "chorale", "Admin", "Chain", "ChoraleTypes", "Codec", "Crypto",
                "Execution", "PeerIdentity", "Swarm", "Node", "NodeHost", "DriverUV", "Store",
                "Telemetry", "Operations", "OperationKinds", "Inference", "PartVerification",
                "ExecutorAgent", "Attestation",
                argumentParser,
            ]),
        tests(
            "Vector",
            ["Crypto", "Codec", "PeerIdentity", "ChoraleTypes", "Noise", "Gossipsub"]),
    ],
    swiftLanguageModes: [.v6]
)
