import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import MadeEnclaves
import Operations
import OrderedCollections
import PeerIdentity
import ProofSystems

extension FuzzTarget {
    static let operationTargets: [FuzzTarget] = [
        FuzzTarget(
            "ssz-operations",
            "commitments, renewals, kinds, requests, registries of operations, statements of enclaves; "
                + "canonical SSZ",
            seeds: {
                [
                    [0] + Operators.commitment(0, by: 1, parts: 3, price: 5).sszEncoded(),
                    [1] + Operators.renewal(0, by: 1, progress: 7).sszEncoded(),
                    [2] + Operators.kind.sszEncoded(),
                    [3] + Operators.request(0, 9, 100).sszEncoded(),
                    [4] + Operators.registration(1, signedBy: 1).message.sszEncoded(),
                    [5] + Operators.busy.sszEncoded(), [5] + OperationRegistry().sszEncoded(),
                    [6] + Operators.statement.sszEncoded(),
                    [7] + Operators.contradiction.sszEncoded(),
                ]
            }, run: sszOperations),
        FuzzTarget(
            "operation-log", "logs of the operations contract: each event has one log",
            sizeMax: 512,
            seeds: {
                [
                    ContractEvent.requested(Operators.request(0, 9, 100)),
                    .executorRegistered(Operators.registration(1, signedBy: 1)), .expired(.zero),
                    .executorExit(key: Operators.key(1), from: Operators.address(1)),
                    .owed(Operators.address(1), amount: 9),
                ].map { event in
                    [UInt8(event.log.topics.count)] + event.log.topics.flatMap(\.bytes)
                        + event.log.data
                }
            }, run: operationLog),
        FuzzTarget(
            "operation-registry",
            "blocks of requests, executors, commitments, verdicts and settlements: all or nothing, "
                + "bounded, one encoding, nothing settled but what is certified", sizeMax: 400,
            seeds: {
                (0..<6).map { seed in
                    var random = DeterministicRandom(seed: UInt64(seed))
                    return random.bytes(count: 100 + 50 * seed)
                }
            }, run: operationRegistry),
    ]

    private static func sszOperations(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        switch (input.first ?? 0) % 8 {
        case 0: canonical(ExecutionCommitment.self, bytes, &findings, "commitment")
        case 1: canonical(LeaseRenewal.self, bytes, &findings, "renewal")
        case 2: canonical(KindRecord.self, bytes, &findings, "kind")
        case 3: canonical(OperationRequest.self, bytes, &findings, "request")
        case 4: canonical(ExecutorMessage.self, bytes, &findings, "executor")
        case 6:
            canonical(EnclaveStatement.self, bytes, &findings, "statement of an enclave")
            guard let statement = try? EnclaveStatement(ssz: bytes.span) else { return }
            // Nothing but what was signed counts.
            let platform = try? Operators.enclaves.platform(
                of: statement, network: Operators.network)
            require(
                platform == nil || statement.content == Operators.statement.content,
                "evidence of nothing")
        case 7: canonical(EnclaveContradiction.self, bytes, &findings, "contradiction")
        default:
            canonical(OperationRegistry.self, bytes, &findings, "registry")
            // What is read is fit for a block.
            guard let registry = try? OperationRegistry(ssz: bytes.span) else { return }
            for height in [1, 60, UInt64(1) << 47] {
                let block = OperationBlock(
                    height: height, beacon: .zero, items: [],
                    logs: [ContractEvent.requested(Operators.request(5, height, 40)).log])
                let outcome = try? registry.applying(block, Operators.parameters)
                require(outcome != nil, "a block without items is invalid")
            }
        }
    }

    private static func operationLog(_ input: [UInt8], _ findings: inout Findings) {
        let count = Int(input.first ?? 0) % 6
        let topics = (0..<count).compactMap { index in
            Bytes32(input.dropFirst(1 + 32 * index).prefix(32))
        }
        let log = ContractLog(topics: topics, data: Array(input.dropFirst(1 + 32 * count)))
        do throws(ContractLogError) {
            let event = try ContractEvent(log)
            require(event.log == log, "\(event) has two logs")
            findings.note("event", event)
        } catch {
            findings.note("event", error)
        }
    }

    private static func operationRegistry(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var registry = OperationRegistry()
        var height: UInt64 = 0
        // A run has room for few findings: each kind once.
        var noted: Set<Substring> = []
        while program.position < input.count && height < 400 {
            height += 1 + UInt64(program.chance(1, in: 8) ? program.byte() : 0)
            let block = Operators.block(&program, registry, height)
            do throws(OperationFault) {
                // What is signed here is signed well, so it makes no difference; it takes most of the time.
                let outcome = try registry.applying(
                    block, Operators.parameters,
                    signatures: program.chance(1, in: 8) ? .check : .wereChecked)
                for change in outcome.changes
                where noted.insert(String(describing: change).prefix { $0 != "(" }).inserted {
                    findings.note("change", change)
                }
                let settled = outcome.changes.count { change in
                    if case .settled = change { true } else { false }
                }
                let logged = block.logs.count {
                    $0.topics.first == OperationsContract.Topic.settled
                }
                require(settled == logged, "a settlement that changes nothing")
                check(outcome.registry, height)
                registry = outcome.registry
            } catch {
                if noted.insert(String(describing: error).prefix { $0 != "(" }).inserted {
                    findings.note("fault", error)
                }
            }
        }
        findings.note("open", size: registry.operations.count)
    }

    private static func check(_ registry: OperationRegistry, _ height: UInt64) {
        require(registry.operations.count <= OperationRegistry.openMax, "too many operations")
        require(registry.executors.count <= OperationRegistry.executorsMax, "too many executors")
        require(
            registry.judgements.count <= OperationRegistry.judgementsMax, "too many judgements")
        require(registry.payments.count <= OperationRegistry.paymentsMax, "too many payments")
        let bytes = registry.sszEncoded()
        require(bytes.count <= 1 << 20, "a registry of \(bytes.count) bytes")
        guard let again = try? OperationRegistry(ssz: bytes.span) else {
            return require(false, "a registry that nobody reads")
        }
        require(again == registry, "another registry is read")
        for operation in registry.operations.values {
            require(operation.request.expiry >= height, "an operation that is over")
            guard let settlement = operation.settlement else { continue }
            require(operation.status == .certified, "settled before it is certified")
            let sum = settlement.payments.reduce(settlement.reward) { $0 + $1.amount }
            require(sum <= operation.request.fee, "more is paid than there is")
            require(
                registry.fault(inLogs: [ContractEvent.settled(settlement.event).log]) == nil,
                "a settlement that is its own is refused")
        }
    }
}

/// Executors, requests and what they say.
private enum Operators {
    static let network = NetworkDigest([1, 2, 3, 4]) ?? NetworkDigest()
    private static let signers = (0..<5).map { index in
        Ed25519.PrivateKey(
            seed: SecretBytes(copying: [UInt8](repeating: UInt8(index + 1), count: 32)))
    }
    static let keys = signers.map { IdentityKey($0) }
    static let kind = must(
        try? KindRecord(
            number: 7, capability: 0, policy: .proof, isDeterministic: true, proofTypes: [64, 65],
            inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 4, ttlMax: 200))
    static let parameters = must(
        try? OperationParameters(network: network, kinds: [kind], bondDelay: 201))

    static func root(_ name: String) -> Bytes32 { SHA256.hash(Array(name.utf8)) }
    static func name(_ number: Int) -> Bytes32 { root("operation \(number)") }

    static func address(_ number: Int) -> ExecutionAddress {
        must(ExecutionAddress([UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 20)))
    }

    static func key(_ index: Int) -> Bytes32 { signers[index].publicKey }

    static func request(_ number: Int, _ height: UInt64, _ ttl: UInt64) -> OperationRequest {
        must(
            OperationRequest(
                operation: name(number), requester: address(number % 3), kind: 7,
                inputHash: root("input"), inputRoot: .zero, inputSize: 0, expiry: height + ttl,
                fee: 1000 + UInt128(number)))
    }

    static func registration(_ index: Int, signedBy signer: Int) -> ExecutorRegistration {
        ExecutorRegistration(
            signing: ExecutorMessage(
                key: key(index), recipient: address(100 + index),
                capabilities: Capabilities([0]), amount: 1_000_000_000 * UInt64(index + 1)),
            with: keys[signer], network: network)
    }

    static func commitment(
        _ number: Int, by index: Int, parts: Int, price: UInt128
    ) -> ExecutionCommitment {
        ExecutionCommitment(
            signing: must(
                ExecutionCommitmentContent(
                    operation: name(number), executor: key(index), outputHash: root("output"),
                    outputSize: 5, outputRoot: root("body"), price: price, planRoot: root("plan"),
                    parts: (0..<parts).map { part in
                        must(
                            PartCommitment(
                                input: root("value \(part)"), output: root("value \(part + 1)"),
                                proofs: [
                                    must(ProofReference(type: 64, size: 9, root: root("proof")))
                                ]))
                    })),
            with: keys[index], network: network)
    }

    static let enclaves = EnclaveParameters(
        rules: MadeEnclave.rules, allowed: [], epochLength: 10, verifier: MadeEnclave.verifier)
    static let statement: EnclaveStatement = {
        let claim = ProofStatement(
            operation: name(0), part: 1, partCount: 3, plan: root("plan"),
            key: VerifierKey(
                type: .nitro, program: MadeEnclave.measurement.digest, artefact: enclaves.artefact),
            input: root("value 1"), output: root("something else"), prover: key(2))
        let proof = MadeEnclave(1).attest(AttestationProofVerifier.attested(claim).reportData)
        return EnclaveStatement(
            signing: must(EnclaveStatementContent(claim, proof: proof)), with: keys[2],
            network: network)
    }()
    static let contradiction = must(
        EnclaveContradiction(
            commitment: commitment(0, by: 1, parts: 3, price: 5).content, statement: statement))

    static func renewal(_ number: Int, by index: Int, progress: UInt16) -> LeaseRenewal {
        LeaseRenewal(
            signing: must(
                LeaseRenewalContent(
                    operation: name(number), executor: key(index), progress: progress)),
            with: keys[index], network: network)
    }

    // Signed once: what blocks are made of.
    static let registrations = (0..<5).map { index in
        [index, 0].map { registration(index, signedBy: $0) }
    }
    static let renewals = (0..<8).map { number in
        (0..<5).map { index in
            (1...8).map { renewal(number, by: index, progress: 120 * $0) }
        }
    }
    static let commitments = (0..<8).map { number in
        (0..<5).map { index in
            (1...5).map { parts in
                commitment(
                    number, by: index, parts: parts, price: parts == 4 ? 1_000_000 : 1000)
            }
        }
    }

    /// A registry with something in each of its lists.
    static let busy: OperationRegistry = {
        var registry = OperationRegistry()
        var program = Program((0..<400).map { UInt8(truncatingIfNeeded: $0 &* 73) })
        for height in 1...40 {
            let block = block(&program, registry, UInt64(height))
            if let outcome = try? registry.applying(block, parameters) {
                registry = outcome.registry
            }
        }
        return registry
    }()

    /// The next block as a program says: most of it proper, some of it not.
    static func block(
        _ program: inout Program, _ registry: OperationRegistry, _ height: UInt64
    ) -> OperationBlock {
        var items: [OperationItem] = []
        var logs: [ContractLog] = []
        var slashed: [Bytes32] = []
        for _ in 0..<1 + program.below(4) {
            let number = program.below(4)
            let index = program.below(5)
            let open = registry.operations[name(number)]
            switch program.below(13) {
            case 9...:
                step(&program, number, open, registry, height, &items, &logs)
            case 0:
                logs.append(
                    ContractEvent.requested(request(number, height, UInt64(program.byte()))).log)
            case 1:
                let isForged = program.chance(1, in: 6) ? 1 : 0
                logs.append(
                    ContractEvent.executorRegistered(registrations[index][isForged]).log)
            case 2:
                let from = program.chance(1, in: 4) ? 1 : 100 + index
                logs.append(
                    ContractEvent.executorExit(key: key(index), from: address(from)).log)
            case 3:
                items.append(.renewal(renewals[number][index][program.below(8)]))
            case 4, 5:
                // Most of the time by one whose turn it is.
                let elected =
                    open?.election?.candidates.first { _ in program.chance(1, in: 2) }?.key
                let executor = keys.indices.first { key($0) == elected } ?? index
                items.append(
                    .commitment(commitments[number][executor][program.below(5)]))
            case 6:
                for part in 0..<1 + program.below(4) {
                    let committers = (0..<program.below(40)).map { address(number + $0) }
                    items.append(
                        verdict(number, open, .partCertified(UInt8(part), committers: committers)))
                }
            case 7:
                let findings: [OperationVerdict.Finding] = [
                    .rejected, .disputed, .resolved(isUpheld: true), .resolved(isUpheld: false),
                    .justified(committers: [address(number)]), .agreed(committers: []),
                    .partCertified(0, committers: []),
                ]
                // Of few, or of everyone, about one of three proofs.
                let proof = SubProofID(
                    operation: name(number), part: 0, proof: root("proof \(program.below(3))"))
                items.append(
                    verdict(
                        number, open, findings[program.below(7)],
                        judged: program.chance(1, in: 2) ? proof : nil))
            default:
                if let settlement = open?.settlement {
                    logs.append(ContractEvent.settled(settlement.event).log)
                } else if program.chance(1, in: 4) {
                    slashed.append(key(index))
                }
            }
        }
        return OperationBlock(
            height: height, beacon: root("beacon \(height)"), items: items, slashed: slashed,
            setsKnownFrom: program.chance(1, in: 16) ? height - min(height, 8) : 0, logs: logs)
    }

    /// What an operation waits for, so that some come to their end.
    private static func step(
        _ program: inout Program, _ number: Int, _ open: OpenOperation?,
        _ registry: OperationRegistry, _ height: UInt64, _ items: inout [OperationItem],
        _ logs: inout [ContractLog]
    ) {
        guard !registry.executors.isEmpty else {
            for pair in registrations {
                logs.append(ContractEvent.executorRegistered(pair[0]).log)
            }
            return
        }
        guard let open else {
            let ttl = 20 + UInt64(program.byte()) % 180
            return logs.append(ContractEvent.requested(request(number, height, ttl)).log)
        }
        if let settlement = open.settlement {
            logs.append(ContractEvent.settled(settlement.event).log)
        } else if let commitment = open.commitment, open.status == .committed {
            for part in 0..<commitment.partCount
            where commitment.certifiedParts >> UInt64(part) & 1 == 0 {
                let committers = (0..<program.below(40)).map { address(Int(part) + $0) }
                items.append(verdict(number, open, .partCertified(part, committers: committers)))
            }
        } else if let election = open.election, open.status == .requested {
            let ready = keys.indices.first {
                election.mayCommit(key($0), at: height) && registry.executors[key($0)] != nil
            }
            let parts = program.below(3)
            guard let ready, !items.contains(.commitment(commitments[number][ready][parts])) else {
                return
            }
            items.append(.commitment(commitments[number][ready][parts]))
        }
    }

    private static func verdict(
        _ number: Int, _ open: OpenOperation?, _ finding: OperationVerdict.Finding,
        judged: SubProofID? = nil
    ) -> OperationItem {
        .verdict(
            OperationVerdict(
                operation: name(number), commitment: open?.commitment?.root ?? root("none"),
                finding, judged: judged))
    }
}
