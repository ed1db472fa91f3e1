import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Inference
import MadeEnclaves
import OperationKinds
import OrderedCollections
import PartVerification
import PeerIdentity

@testable import Chain
@testable import Operations

/// The registry, block after block, with three executors: what of the chain executors see.
struct OperationChain {
    static let network = NetworkDigest([4, 3, 2, 1])!
    static let keys: [IdentityKey] = (0..<3).map { index in
        IdentityKey(
            ed25519Seed: SecretBytes(copying: [UInt8](repeating: UInt8(index + 1), count: 32)))
    }
    /// Kind 1 is inference as genesis has it; of kind 3 no more than 20 bytes may come out. Kind 2 is nothing that
    /// executors know, and of kind 4 nothing is proven. Of kind 5 enclaves speak
    /// first.
    static let parameters: OperationParameters = {
        func kind(
            _ number: UInt16, capability: UInt8 = 1, policy: ProofPolicy = .proof,
            outputs: UInt64 = 65_536, types: [UInt8] = [64]
        ) -> KindRecord {
            try! KindRecord(
                number: number, capability: capability, policy: policy, isDeterministic: true,
                proofTypes: types, inputSizeMax: 1 << 26, outputSizeMax: outputs, partsMax: 64)
        }
        return try! OperationParameters(
            network: network,
            kinds: [
                kind(1), kind(2, capability: 2), kind(3, outputs: 20),
                kind(4, policy: .committee, types: []),
                kind(5, policy: .enclaveThenProof, types: [64, 83]),
            ],
            enclaves: EnclaveParameters(
                rules: MadeEnclave.rules,
                allowed: [
                    AllowedEnclave(
                        kind: 5,
                        AllowedMeasurement(
                            measurement: MadeEnclave.measurement, epochs: 0...1000))
                ], epochLength: 32, verifier: MadeEnclave.verifier))
    }()

    static func key(_ index: Int) -> Bytes32 {
        guard case .ed25519(let key) = keys[index].publicKey else {
            preconditionFailure("Ed25519")
        }
        return key
    }

    static func name(_ text: String) -> Bytes32 { SHA256.hash(Array(text.utf8)) }

    static func address(_ number: Int) -> ExecutionAddress {
        ExecutionAddress([UInt8](repeating: UInt8(number), count: 20))!
    }

    var registry = OperationRegistry()
    var height: UInt64 = 0
    /// Of the last block.
    var report = OperationReport(height: 0, changes: [], commitments: [])
    /// What executors said that no block could have.
    var refused: [OperationFault] = []

    init(executors: Range<Int> = 0..<3) throws {
        try block(
            logs: executors.map { index in
                ContractEvent.executorRegistered(
                    ExecutorRegistration(
                        signing: ExecutorMessage(
                            key: Self.key(index), recipient: Self.address(100 + index),
                            capabilities: Capabilities([1, 2]), amount: 2_000_000_000),
                        with: Self.keys[index], network: Self.network)
                ).log
            })
    }

    var head: OperationHead {
        OperationHead(height: height, operations: registry, eras: [])
    }

    /// The next block, with whatever of the statements it can have.
    mutating func block(
        _ statements: [ExecutorStatement] = [], verdicts: [OperationItem] = [],
        logs: [ContractLog] = []
    ) throws {
        var items: [OperationItem] = []
        var commitments: [ExecutionCommitment] = []
        func candidate(_ items: [OperationItem], _ logs: [ContractLog]) -> OperationBlock {
            OperationBlock(
                height: height + 1, beacon: Self.name("beacon \(height + 1)"), items: items,
                logs: logs)
        }
        for statement in statements {
            let item: OperationItem
            switch statement {
            case .renewal(let renewal): item = .renewal(renewal)
            case .commitment(let commitment): item = .commitment(commitment)
            }
            do throws(OperationFault) {
                _ = try registry.applying(candidate(items + [item], []), Self.parameters)
                items.append(item)
                if case .commitment(let commitment) = statement { commitments.append(commitment) }
            } catch {
                refused.append(error)
            }
        }
        let outcome = try registry.applying(candidate(items + verdicts, logs), Self.parameters)
        height += 1
        registry = outcome.registry
        report = OperationReport(
            height: height, changes: outcome.changes, commitments: commitments)
    }

    /// Requests are in one block, and their executors drawn in the next.
    mutating func request(_ requests: [OperationRequest]) throws {
        try block(logs: requests.map { ContractEvent.requested($0).log })
        try block()
    }

    // MARK: Who

    func operation(_ name: Bytes32) -> OpenOperation? { registry.operations[name] }

    /// Index of the key that was elected with this rank.
    func elected(_ name: Bytes32, rank: Int) -> Int {
        let key = registry.operations[name]!.election!.candidates[rank].key
        return Self.keys.indices.first { Self.key($0) == key }!
    }

    func turn(_ name: Bytes32, rank: Int) -> UInt64 {
        registry.operations[name]!.election!.candidates[rank].turn
    }

    // MARK: What validators say

    func verdict(_ name: Bytes32, _ finding: OperationVerdict.Finding) -> OperationItem {
        .verdict(
            OperationVerdict(
                operation: name, commitment: registry.operations[name]!.commitment!.root,
                finding))
    }

    /// Every part of its commitment is certified.
    func certificates(_ name: Bytes32) -> [OperationItem] {
        (0..<registry.operations[name]!.commitment!.partCount).map {
            verdict(name, .partCertified($0, committers: [Self.address(7)]))
        }
    }
}
