import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import OrderedCollections
import PeerIdentity
import Subproof
import Testing

@testable import Chain
@testable import Operations

/// A network where executors have registered.
final class OperationStage {
    static func executorKey(_ number: UInt8) -> Ed25519.PrivateKey {
        Ed25519.PrivateKey(seed: SecretBytes(copying: SHA256.hash([number, 0xE0])))
    }

    static func recipient(_ number: UInt8) -> ExecutionAddress {
        ExecutionAddress([UInt8](repeating: 0, count: 19) + [0xB0 + number])!
    }

    let network: ChainNetwork
    private var nonces: [Int: UInt64] = [:]

    init(_ change: (inout ChainNetwork.Options) -> Void = { _ in }) throws {
        var options = ChainNetwork.Options()
        options.hasOperations = true
        change(&options)
        network = try ChainNetwork(options)
        network.start()
    }

    var head: ChainHead { network.hosts[0].head! }

    func send(_ call: ContractCall, from: Int, value: UInt64 = 0) {
        let nonce = nonces[from, default: 0]
        nonces[from] = nonce + 1
        network.hosts[0].submit(
            network.call(call, from: from, nonce: nonce, value: value))
    }

    /// Runs until everybody is where `condition` holds at the first.
    func run(seconds: Int = 30, until condition: (ChainHead) -> Bool) -> Bool {
        network.run(milliseconds: seconds * 1000) {
            guard let head = network.hosts[0].head, condition(head) else { return false }
            return network.heights.allSatisfy { $0 >= head.height }
        }
        return condition(head)
    }

    func register(_ number: UInt8) {
        let registration = ExecutorRegistration(
            signing: ExecutorMessage(
                key: Self.executorKey(number).publicKey, recipient: Self.recipient(number),
                capabilities: Capabilities([7]), amount: OperationsContract.bondMin),
            with: IdentityKey(Self.executorKey(number)), network: network.parameters.network)
        send(
            .registerExecutor(registration), from: Int(number),
            value: registration.message.amount * 1_000_000_000)
    }

    /// - Parameter kind: 1 is proven, 2 judged by a committee.
    func request(kind: UInt16 = 1, fee: UInt64 = 1_000_000, ttl: UInt64 = 60) -> Bytes32 {
        let requester = Address(network.accounts[3].publicKey)
        let nonce = nonces[3, default: 0]
        send(
            .request(
                kind: kind, inputHash: SHA256.hash([1]), inputRoot: .zero, inputSize: 0,
                ttl: ttl), from: 3, value: fee)
        return OperationsContract.operationID(
            chainID: 1337, requester: ExecutionAddress(requester.storage.span.copied())!,
            nonce: nonce)
    }

    /// What the executor whose turn it is would say.
    func commitment(
        _ name: Bytes32, output: [UInt8], parts: Int = 2, price: UInt128 = 900_000,
        by executor: Bytes32? = nil, isProven: Bool = true
    ) -> ExecutionCommitment? {
        guard let election = head.operations.operations[name]?.election else { return nil }
        let executor = executor ?? election.candidates[0].key
        guard
            let key = (0..<3 as Range<UInt8>).map(Self.executorKey).first(where: {
                $0.publicKey == executor
            })
        else { return nil }
        let values = (0...parts).map { SHA256.hash([UInt8($0), 0x44]) }
        let content = ExecutionCommitmentContent(
            operation: name, executor: executor, outputHash: Keccak256.hash(output),
            outputSize: UInt64(output.count), outputRoot: SHA256.hash(output), price: price,
            planRoot: SHA256.hash([3]),
            parts: (0..<parts).map {
                PartCommitment(
                    input: values[$0], output: values[$0 + 1],
                    proofs: isProven
                        ? [ProofReference(type: 64, size: 100, root: SHA256.hash([UInt8($0), 9]))!]
                        : [])!
            })
        return content.map {
            ExecutionCommitment(
                signing: $0, with: IdentityKey(key), network: network.parameters.network)
        }
    }

    /// Says it, through one node.
    func say(_ commitment: ExecutionCommitment) {
        network.hosts[1].handle(.say(.commitment(commitment)))
    }

    // MARK: Validators

    /// The key of the validator at a position of a set.
    private func key(_ position: Int, of validators: ValidatorSet) throws -> IdentityKey {
        let key = (0..<network.options.validators).map(ChainNetwork.validatorKey).first {
            ChainNetwork.bytes($0) == validators.validators[position].key
        }
        return IdentityKey(try #require(key))
    }

    /// The set that is asked about an operation's commitment.
    func validators(_ name: Bytes32) throws -> ValidatorSet {
        let commitment = try #require(head.operations.operations[name]?.commitment)
        return try #require(head.validators(at: commitment.height))
    }

    func proof(_ name: Bytes32, part: UInt16, type: UInt8 = 64) throws -> SubProofID {
        let commitment = try #require(head.operations.operations[name]?.commitment)
        return try #require(
            SubProofID(
                operation: name, part: part,
                proof: ProofName.of(commitment: commitment.root, part: Int(part), type: type)))
    }

    /// What the validator at a position says of a part.
    ///
    /// - Parameter signer: whose key signs it.
    func vote(
        _ name: Bytes32, part: UInt16, by position: Int, rejects: Bool = false,
        type: UInt8 = 64, signer: Int? = nil
    ) throws -> SubProofVote {
        let validators = try validators(name)
        return SubProofVote(
            signing: SubProofVoteContent(
                id: try proof(name, part: part, type: type), validatorsRoot: validators.root,
                verdict: rejects ? .reject(.proofFails) : .valid),
            as: ValidatorIndex(position), with: try key(signer ?? position, of: validators),
            network: network.parameters.network)
    }

    /// A certificate of a part, signed by so many validators.
    func certificate(
        _ name: Bytes32, part: UInt16, signers: Int = 3, rejects: Bool = false,
        type: UInt8 = 64, tranche: Tranche? = nil
    ) throws -> SubProofCertificate {
        let validators = try validators(name)
        var bits = try #require(ValidatorBits(count: validators.count))
        var signatures: [SignatureBytes] = []
        for position in 0..<signers {
            bits[position] = true
            signatures.append(
                try vote(name, part: part, by: position, rejects: rejects, type: type).signature)
        }
        return try #require(
            SubProofCertificate(
                id: try proof(name, part: part, type: type), validatorsRoot: validators.root,
                verdict: rejects
                    ? .reject([RejectReason](repeating: .proofFails, count: signers)) : .valid,
                tranche: tranche ?? (rejects ? .everyone : .first), scheme: .ed25519,
                signers: bits, signatures: signatures))
    }

    /// "This vote is false."
    func falseVerdict(_ vote: SubProofVote) throws -> SubProofEvidence {
        .falseVerdict(
            FalseVerdictEvidence(
                try #require(VoteOnProof(vote: vote, proofType: 64, proofSize: 100))))
    }

    func committeeVote(
        _ name: Bytes32, output: [UInt8], by position: Int
    ) throws -> CommitteeVote {
        let validators = try validators(name)
        let commitment = try #require(head.operations.operations[name]?.commitment)
        return CommitteeVote(
            signing: CommitteeVoteContent(
                operation: name, commitment: commitment.root, validatorsRoot: validators.root,
                outputHash: Keccak256.hash(output)),
            as: ValidatorIndex(position), with: try key(position, of: validators),
            network: network.parameters.network)
    }

    /// A committee's certificate, signed by so many.
    func fastPath(
        _ name: Bytes32, output: [UInt8], signers: Int = 3, tranche: Tranche = .first
    ) throws -> FastPathCertificate {
        var bits = try #require(ValidatorBits(count: try validators(name).count))
        var votes: [CommitteeVote] = []
        for position in 0..<signers {
            bits[position] = true
            votes.append(try committeeVote(name, output: output, by: position))
        }
        return try #require(
            FastPathCertificate(
                content: votes[0].content, tranche: tranche, scheme: .ed25519, signers: bits,
                signatures: votes.map(\.signature)))
    }

    /// Tells everybody.
    func tell(_ input: ChainInput) {
        for host in network.hosts { host.handle(input) }
    }

    /// Why a block with these items would be invalid.
    func fault(_ items: [ChainItem]) -> OperationRuleFault? {
        do throws(OperationRuleFault) {
            _ = try head.operationStep(
                items, beacon: .zero, network.parameters, signatures: .check)
            return nil
        } catch {
            return error
        }
    }

    /// Whether some node found a block of another invalid.
    var hasInvalidBlocks: Bool {
        network.hosts.contains { $0.events.contains { $0.contains("invalidBlock") } }
    }

    func include(_ certificate: SubProofCertificate) {
        for host in network.hosts { host.handle(.include(certificate)) }
    }

    func status(_ name: Bytes32) -> OperationStatus? {
        head.operations.operations[name]?.status
    }

    func balance(_ address: ExecutionAddress) throws -> UInt256 {
        let state = TrieState(
            root: head.header.stateRoot, source: network.hosts[0].store, blockHashes: [:])
        return try state.account(at: Address(address.bytes.span)!)?.balance ?? .zero
    }

    /// Registers executors and requests an operation, up to its election.
    static func elected(
        _ change: (inout ChainNetwork.Options) -> Void = { _ in }, executors: UInt8 = 3,
        kind: UInt16 = 1
    ) throws -> (OperationStage, Bytes32) {
        let stage = try OperationStage(change)
        for number in 0..<executors { stage.register(number) }
        #expect(stage.run { $0.operations.executors.count == Int(executors) })
        let name = stage.request(kind: kind)
        #expect(stage.run { $0.operations.operations[name]?.election != nil })
        return (stage, name)
    }

    static func settled(_ stage: OperationStage, _ name: Bytes32) -> Bool {
        stage.network.hosts.allSatisfy { $0.operationChanges.contains(.settled(name)) }
    }
}
