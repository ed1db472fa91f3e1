import ChoraleBase
import Codec
import Conformance
import Execution
import TestSupport
import Testing

@testable import Chain

/// Genesis states and headers of Ethereum's blockchain tests, as genesis files.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct GenesisFixtureTests {
    /// Files that differ in what their states hold; reading all 4,755 tests takes minutes.
    static let paths: [String] = {
        let all = Fixtures.files(in: "blockchain")
        return stride(from: 0, to: all.count, by: 4).map { all[$0] }
    }()

    @Test func stateRootsAndBlockHashesAreTheOfficialOnes() throws {
        var count = 0
        var forks: Set<String> = []
        for path in Self.paths {
            for test in try FixtureFile.document(Fixtures.data(path)).members {
                let network = try test.value["network"].string
                // A network that changes its rules begins with those before the change.
                let fork = network.split(separator: "T").first.map(String.init) ?? network
                guard let times = Self.times[fork] else { continue }
                let expected = test.value.json["genesisBlockHeader"]
                let file = try #require(
                    Self.genesisFile(test.value.json, times), "\(path) \(test.name)")
                let genesis = try ExecutionGenesis(Array(file.text.utf8))
                #expect(
                    "0x\(genesis.stateRoot)" == expected?["stateRoot"]?.string,
                    "\(path) \(test.name)")
                #expect(
                    "0x\(genesis.blockHash)" == expected?["hash"]?.string, "\(path) \(test.name)")
                count += 1
                forks.insert(fork)
            }
        }
        #expect(count > 500)
        #expect(forks == Set(Self.times.keys))
    }

    private static let times: [String: [String]] = [
        "Shanghai": ["shanghai"], "Cancun": ["shanghai", "cancun"],
        "Prague": ["shanghai", "cancun", "prague"],
        "Osaka": ["shanghai", "cancun", "prague", "osaka"],
    ]

    /// The first state and the first header of a test, in geth's form.
    private static func genesisFile(_ test: JSONValue, _ forks: [String]) -> JSONValue? {
        guard let header = test["genesisBlockHeader"], let pre = test["pre"] else { return nil }
        var config: JSONObject = ["chainId": .integer(1)]
        for fork in forks { config["\(fork)Time"] = .integer(0) }
        var file: JSONObject = ["config": .object(config), "alloc": pre]
        for name in [
            "nonce", "timestamp", "extraData", "gasLimit", "difficulty", "mixHash", "coinbase",
            "number", "gasUsed", "parentHash", "baseFeePerGas", "excessBlobGas", "blobGasUsed",
        ] {
            guard let value = header[name] else { continue }
            file[name] = value
        }
        return .object(file)
    }
}
