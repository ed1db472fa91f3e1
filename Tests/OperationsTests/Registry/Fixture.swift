import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import MadeEnclaves
import OrderedCollections
import PeerIdentity
import ProofSystems

@testable import Operations

/// A registry's surroundings: eight executors, two kinds, and shorthands for what happens.
enum Fixture {
    static let network = NetworkDigest([1, 2, 3, 4])!
    private static let signers = (0..<8).map { index in
        Ed25519.PrivateKey(
            seed: SecretBytes(copying: [UInt8](repeating: UInt8(index + 1), count: 32)))
    }
    static let keys = signers.map { IdentityKey($0) }
    static let ether: UInt128 = 1_000_000_000_000_000_000

    static func address(_ number: Int) -> ExecutionAddress {
        ExecutionAddress([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 20))!
    }

    static func root(_ name: String) -> Bytes32 { SHA256.hash(Array(name.utf8)) }
    static func key(_ index: Int) -> Bytes32 { signers[index].publicKey }

    /// Kind 7 is proven, kind 8 is judged by a committee, of kind 10 enclaves speak before there are proofs.
    static let kinds: [KindRecord] = [
        try! KindRecord(
            number: 7, capability: 0, policy: .proof, isDeterministic: true, proofTypes: [64, 65],
            inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 16, ttlMin: 20, ttlMax: 1000,
            feeMin: 1000),
        try! KindRecord(
            number: 8, capability: 1, policy: .committee, isDeterministic: false, proofTypes: [],
            inputSizeMax: 0, outputSizeMax: 100, partsMax: 1),
        try! KindRecord(
            number: 10, capability: 0, policy: .enclaveThenProof, isDeterministic: true,
            proofTypes: [64, 83], inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 16,
            ttlMin: 20, ttlMax: 1000, feeMin: 1000),
    ]
    /// What runs in the tests' enclaves may vouch for kind 10 in epochs 1 to 3, of ten heights each.
    static let enclaves = EnclaveParameters(
        rules: MadeEnclave.rules,
        allowed: [
            AllowedEnclave(
                kind: 10, AllowedMeasurement(measurement: MadeEnclave.measurement, epochs: 1...3))
        ], epochLength: 10, verifier: MadeEnclave.verifier)
    static let parameters = try! OperationParameters(
        network: network, kinds: kinds, enclaves: enclaves)

    static func registration(
        _ index: Int, recipient: ExecutionAddress? = nil, gwei: UInt64 = 2_000_000_000,
        capabilities: [UInt8] = [0, 1], signedBy signer: Int? = nil
    ) -> ExecutorRegistration {
        ExecutorRegistration(
            signing: ExecutorMessage(
                key: key(index), recipient: recipient ?? address(100 + index),
                capabilities: Capabilities(capabilities), amount: gwei),
            with: keys[signer ?? index], network: network)
    }

    static func request(
        _ name: String = "op", requester: Int = 1, kind: UInt16 = 7, inputSize: UInt64 = 1000,
        expiry: UInt64 = 70, fee: UInt128 = ether
    ) -> OperationRequest {
        OperationRequest(
            operation: root(name), requester: address(requester), kind: kind,
            inputHash: root("hash"), inputRoot: inputSize == 0 ? .zero : root("body"),
            inputSize: inputSize, expiry: expiry, fee: fee)!
    }

    /// A proof of a part.
    static func proof(_ part: UInt16, _ name: String = "proof", of operation: String = "op")
        -> SubProofID
    {
        SubProofID(operation: root(operation), part: part, proof: root("\(name) \(part)"))!
    }

    static func part(_ index: Int, types: [UInt8] = [64]) -> PartCommitment {
        PartCommitment(
            input: root("value \(index)"), output: root("value \(index + 1)"),
            proofs: types.map {
                ProofReference(type: $0, size: 5000, root: root("proof \(index)"))!
            })!
    }

    static func commitment(
        _ name: String = "op", by index: Int, price: UInt128 = ether / 2, size: UInt64 = 70,
        parts: [PartCommitment] = [part(0), part(1), part(2)], signedBy signer: Int? = nil
    ) -> ExecutionCommitment {
        ExecutionCommitment(
            signing: ExecutionCommitmentContent(
                operation: root(name), executor: key(index), outputHash: root("output"),
                outputSize: size, outputRoot: root("output body"), price: price,
                planRoot: root("plan"), parts: parts)!,
            with: keys[signer ?? index], network: network)
    }

    static func renewal(
        _ name: String = "op", by index: Int, progress: UInt16, signedBy signer: Int? = nil
    ) -> LeaseRenewal {
        LeaseRenewal(
            signing: LeaseRenewalContent(
                operation: root(name), executor: key(index), progress: progress)!,
            with: keys[signer ?? index], network: network)
    }

    // MARK: Enclaves

    /// What an enclave would prove of a part of a commitment, if it came to this output.
    static func claim(
        _ name: String = "op", part: Int = 1, of count: Int = 3, output: String? = nil,
        by index: Int, artefact: Bytes32? = nil
    ) -> ProofStatement {
        ProofStatement(
            operation: root(name), part: UInt32(part), partCount: UInt32(count),
            plan: root("plan"),
            key: VerifierKey(
                type: .nitro, program: MadeEnclave.measurement.digest,
                artefact: artefact ?? enclaves.artefact),
            input: root("value \(part)"), output: root(output ?? "value \(part + 1)"),
            prover: key(index))
    }

    static func statement(
        _ claim: ProofStatement, by index: Int, enclave: UInt8 = 1, says: ProofStatement? = nil,
        signedBy signer: Int? = nil
    ) -> EnclaveStatement {
        let proof = MadeEnclave(enclave).attest(
            AttestationProofVerifier.attested(says ?? claim).reportData)
        return EnclaveStatement(
            signing: EnclaveStatementContent(claim, proof: proof)!, with: keys[signer ?? index],
            network: network)
    }

    // MARK: Logs

    static func log(_ request: OperationRequest) -> ContractLog {
        ContractEvent.requested(request).log
    }

    static func log(_ settlement: Settlement) -> ContractLog {
        ContractEvent.settled(settlement.event).log
    }

    static func log(_ registration: ExecutorRegistration) -> ContractLog {
        ContractEvent.executorRegistered(registration).log
    }

    static func exit(_ index: Int, from: ExecutionAddress? = nil) -> ContractLog {
        ContractEvent.executorExit(key: key(index), from: from ?? address(100 + index)).log
    }

    static func word(_ address: ExecutionAddress) -> Bytes32 { Bytes32(ABIWord.encode(address))! }
}

/// A registry that blocks are applied to, one height after the other.
struct Course {
    var registry = OperationRegistry()
    var height: UInt64 = 0
    var payments: [BondPayment] = []

    /// With these executors registered at height 1.
    init(executors: Range<Int> = 0..<8, enclaves: [AllowedEnclave] = []) throws {
        registry = OperationRegistry(enclaves: EnclaveRegistry(allowed: enclaves))
        _ = try block(logs: executors.map { Fixture.log(Fixture.registration($0)) })
    }

    /// Applies the next block.
    mutating func block(
        _ items: [OperationItem] = [], slashed: [Bytes32] = [], setsKnownFrom: UInt64 = 0,
        logs: [ContractLog] = []
    ) throws -> [OperationChange] {
        let outcome = try registry.applying(
            OperationBlock(
                height: height + 1, beacon: Fixture.root("beacon \(height + 1)"), items: items,
                slashed: slashed, setsKnownFrom: setsKnownFrom, logs: logs), Fixture.parameters)
        height += 1
        registry = outcome.registry
        payments += outcome.payments
        return outcome.changes
    }

    /// Applies empty blocks up to and including this height.
    mutating func pass(to end: UInt64) throws {
        while height < end { _ = try block() }
    }

    func operation(_ name: String = "op") -> OpenOperation? {
        registry.operations[Fixture.root(name)]
    }

    /// Who is elected, as indices of the fixture's keys.
    func elected(_ name: String = "op") -> [Int] {
        operation(name)?.election?.candidates.map { candidate in
            Fixture.keys.indices.first { Fixture.key($0) == candidate.key }!
        } ?? []
    }

    func verdict(
        _ finding: OperationVerdict.Finding, of name: String = "op", judged: SubProofID? = nil
    ) -> OperationItem {
        .verdict(
            OperationVerdict(
                operation: Fixture.root(name),
                commitment: operation(name)?.commitment?.root ?? Fixture.root("none"), finding,
                judged: judged))
    }

    func certified(_ part: UInt8, by committers: [Int], of name: String = "op") -> OperationItem {
        verdict(.partCertified(part, committers: committers.map(Fixture.address)), of: name)
    }
}
