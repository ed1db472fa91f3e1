import Attestation
import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import MadeEnclaves
import Operations
import PartVerification
import PeerIdentity
import ProofSystems
import Subproof

extension FuzzTarget {
    static let partVerificationTargets: [FuzzTarget] = [
        FuzzTarget(
            "ssz-part-statement", "statements on parts: one form each",
            seeds: {
                let context = SubproofActors.context(1)
                let vote = SubproofActors.vote(context, 0, .reject(.proofFails), by: 3)
                let claim = must(VoteOnProof(vote: vote, proofType: 64, proofSize: 9000))
                let statements: [PartStatement] = [
                    .certificate(
                        must(SubproofActors.certificate(context, 0, accepts: true, .first, 0..<3))),
                    .fastPath(must(SubproofActors.fastPath(context, .first, 0..<3))),
                    .evidence(.reject(must(RejectEvidence(claim)))),
                    .committeeVote(SubproofActors.committeeVote(context, 1, by: 3)),
                ]
                return statements.map { $0.sszEncoded() }
            },
            run: { input, findings in
                canonical(PartStatement.self, input, &findings, "statement")
            }),
        FuzzTarget(
            "part-verification-sequence",
            "blocks, messages, bodies, proofs, peers, a store that fails, crashes and time in any order: one "
                + "verdict a message, one answer a question, nothing signed but what is on disk; bounded",
            sizeMax: 1024,
            seeds: {
                (0..<6).map { seed in
                    var random = DeterministicRandom(seed: UInt64(seed))
                    return random.bytes(count: 150 + 100 * seed)
                }
            }, run: partSequence),
    ]

    /// A node, what is around it, and what it owes.
    private struct Life: ~Copyable {
        var machine = Life.machine()
        var time = Now.start
        var height: UInt64 = 4
        var rows: [[UInt8]: [UInt8]] = [:]
        var jobs: [PartJob] = []
        var stores: [(PartStoreID, StoreRequest)] = []
        var bodies: [Bytes32] = []
        var blocks: [UInt64] = []
        var asked: [PartRequestID] = []
        var signing: [PartSignRequest] = []
        var messages: Set<PartMessageID> = []
        var questions: Set<PartServeID> = []
        var lastNumber: UInt64 = 0
        var signed: [SubProofID: SubProofVerdict] = [:]

        static func machine() -> PartVerification {
            var configuration = PartConfiguration(
                network: PartActors.network, parameters: PartActors.parameters,
                localKey: SubproofActors.keyBytes[0], localPeer: PartActors.peers[0],
                blockInterval: .seconds(1))
            configuration.limits.votesMax = 8
            configuration.limits.statementsMax = 4
            configuration.limits.requestsMax = 32
            configuration.limits.shelfSizeMax = 2000
            configuration.limits.heightsKept = 8
            return PartVerification(configuration, seed: 1)
        }
    }

    private static func partSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var life = Life()
        perform(.start(PartActors.head(4)), &life, &findings)
        while !program.isAtEnd {
            step(&program, &life, &findings)
            require(life.asked.count <= 32, "more requests than may be")
            require(life.jobs.count <= 64, "more work than may be")
        }
        findings.note("pool", counters: life.machine.counters.pool)
    }

    private static func step(
        _ program: inout Program, _ life: inout Life, _ findings: inout Findings
    ) {
        let peer = PartActors.peers[1 + program.below(3)]
        life.lastNumber += 1
        let number = life.lastNumber
        switch program.below(16) {
        case 0, 1:
            guard let (id, request) = life.stores.first else { return }
            life.stores.removeFirst()
            let reply =
                program.below(8) == 0
                ? .failed(.inputOutput("on purpose")) : perform(request, &life)
            perform(.stored(id, reply), &life, &findings)
        case 2:
            guard !life.jobs.isEmpty else { return }
            let job = life.jobs.remove(at: program.below(life.jobs.count))
            perform(.finished(job.run { .zero }), &life, &findings)
        case 3:
            life.height += 1
            let (head, report) = PartActors.block(life.height)
            perform(.advanced(head, report), &life, &findings)
        case 4:
            guard let height = life.blocks.popLast() else { return }
            perform(
                .commitmentsRead(
                    height: height, program.below(3) == 0 ? nil : PartActors.commitments),
                &life, &findings)
        case 5, 6:
            life.messages.insert(PartMessageID(number))
            let topics = [PartTopic.certificate, .votes(subnet: 0), .attestation]
            let topic = topics[program.below(3)]
            perform(
                .gossip(
                    PartMessageID(number), topic,
                    topic == .attestation ? attestation(&program) : message(&program), from: peer),
                &life, &findings)
        case 7:
            guard let root = life.bodies.popLast() else { return }
            perform(
                .bodyRead(root: root, program.below(2) == 0 ? nil : program.chunk()), &life,
                &findings)
        case 8: perform(.bodyArrived(root: PartActors.root("input")), &life, &findings)
        case 9:
            guard let id = life.asked.last else { return }
            perform(.proofReceived(id, program.chunk()), &life, &findings)
            perform(
                .certificateReceived(
                    id,
                    must(
                        SubproofActors.certificate(
                            SubproofActors.context(1), 0, accepts: true, .first, 0..<3))), &life,
                &findings)
        case 10:
            guard let id = life.asked.popLast() else { return }
            perform(.requestEnded(id, .unavailable), &life, &findings)
        case 11:
            let requests: [PartRequest] = [
                .proof(root: PartActors.root("proof")),
                .certificates(operation: PartActors.operation, parts: [0, 1]),
                .statements(operation: PartActors.operation),
                .votes(
                    must(
                        PartVotes(
                            parts: [
                                PartActors.vote(program.below(40), isValid: program.below(2) == 0)
                            ],
                            committees: [
                                SubproofActors.committeeVote(
                                    SubproofActors.committee(4), 0, by: program.below(40))
                            ]))),
            ]
            let request = requests[program.below(4)]
            if case .votes = request {} else { life.questions.insert(PartServeID(number)) }
            perform(.serve(PartServeID(number), peer, request), &life, &findings)
        case 12:
            perform(
                .shelve(
                    operation: PartActors.operation,
                    [[UInt8](repeating: program.byte(), count: 1 + program.word() % 3000)]), &life,
                &findings)
        case 13:
            perform(
                program.below(3) == 0 ? .peerDisconnected(peer) : .peerConnected(peer), &life,
                &findings)
        case 14:
            life.time.advance(program.duration())
            perform(.timeout, &life, &findings)
        default:
            guard program.below(6) == 0 else {
                let parts = life.signing.prefix(program.below(3)).compactMap(PartActors.sign)
                life.signing = []
                return perform(.signed(parts), &life, &findings)
            }
            // Killed.
            life.machine = Life.machine()
            (life.jobs, life.stores, life.bodies, life.blocks) = ([], [], [], [])
            (life.asked, life.signing, life.messages, life.questions) = ([], [], [], [])
            perform(.start(PartActors.head(life.height)), &life, &findings)
        }
    }

    /// Something that a stranger may send: what is right, with a byte changed, or noise.
    private static func message(_ program: inout Program) -> [UInt8] {
        let validator = program.below(40)
        let vote = PartActors.vote(validator, isValid: program.below(2) == 0)
        let statement = PartStatement.certificate(
            must(
                SubproofActors.certificate(
                    SubproofActors.context(1), 0, accepts: true, .first, 0..<3)))
        var bytes =
            switch program.below(4) {
            case 0: statement.sszEncoded()
            case 1: program.chunk()
            default: vote.sszEncoded()
            }
        if program.below(3) == 0, !bytes.isEmpty {
            bytes[program.word() % bytes.count] ^= 1 << UInt8(program.below(8))
        }
        return bytes
    }

    /// What an enclave vouches for, or did before a byte was changed.
    private static func attestation(_ program: inout Program) -> [UInt8] {
        var bytes = PartActors.statements[program.below(4)]
        if program.below(4) == 0 {
            bytes[program.word() % bytes.count] ^= 1 << UInt8(program.below(8))
        }
        return bytes
    }

    private static func perform(_ request: StoreRequest, _ life: inout Life) -> StoreReply {
        switch request {
        case .write(let writes, _):
            for write in writes {
                switch write {
                case .put(let family, let key, let value):
                    life.rows[Array(family.rawValue.utf8) + [0] + key] = value
                case .delete(let family, let key):
                    life.rows[Array(family.rawValue.utf8) + [0] + key] = nil
                // Rows that stay do no harm.
                case .deleteRange: break
                }
            }
            return .written
        case .get(let family, let key):
            return .value(life.rows[Array(family.rawValue.utf8) + [0] + key])
        case .scan(let family, let from, let to, let rowCountMax, _):
            let prefix = Array(family.rawValue.utf8) + [0]
            let found = life.rows.filter { row in
                let key = Array(row.key.dropFirst(prefix.count))
                return row.key.starts(with: prefix) && !key.lexicographicallyPrecedes(from)
                    && to.map { key.lexicographicallyPrecedes($0) } ?? true
            }.map { StoreRow(key: Array($0.key.dropFirst(prefix.count)), value: $0.value) }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            return .rows(Array(found.prefix(rowCountMax)), more: found.count > rowCountMax)
        case .checkpoint: return .checkpointed
        }
    }

    private static func perform(
        _ input: PartInput, _ life: inout Life, _ findings: inout Findings
    ) {
        var outputs: [PartOutput] = []
        life.machine.handle(input, now: life.time, into: &outputs)
        for output in outputs {
            switch output {
            case .verdict(let id, let verdict):
                require(life.messages.remove(id) != nil, "two verdicts on a message")
                findings.note("verdict", verdict)
            case .run(let job): life.jobs.append(job)
            case .store(let id, let request): life.stores.append((id, request))
            case .sign(let requests):
                for request in requests { check(request, &life) }
                life.signing += requests
            case .ask(let id, _, _): life.asked.append(id)
            case .serveProof(let id, _):
                require(life.questions.remove(id) != nil, "two answers")
            case .serveCertificates(let id, _):
                require(life.questions.remove(id) != nil, "two answers")
            case .serveStatements(let id, let statements):
                require(life.questions.remove(id) != nil, "two answers")
                require(statements.count <= 256, "more than a message has")
            case .readBody(let root): life.bodies.append(root)
            case .readCommitments(let height): life.blocks.append(height)
            case .event(let event): findings.note("event", event)
            case .contradict(let found):
                require(
                    found.commitment == PartActors.commitments[0].content, "contradicts nothing")
            case .publish, .connect, .shelved, .include, .includeFastPath, .dispute, .accuse,
                .penalize:
                break
            }
        }
        if let due = life.machine.nextDeadline {
            require(due > life.time.instant || input.isPassive, "a timer that stands still")
        }
        _ = life.machine.operations(now: life.time)
    }

    private static func check(_ request: PartSignRequest, _ life: inout Life) {
        guard case .vote(let content) = request.request else { return }
        let verdict = life.signed[content.id] ?? content.verdict
        require(verdict == content.verdict, "two verdicts on a proof")
        life.signed[content.id] = content.verdict
        let isWritten = life.rows.contains { row in
            let key = Array(row.key.dropFirst(9))
            return row.key.starts(with: "subproof".utf8)
                && (try? SubproofRow(key: key.span, value: row.value.span))?.content
                    == .voteIntent(content)
        }
        require(isWritten, "signed before it is written")
    }
}

extension PartInput {
    /// What may leave work for the same moment.
    fileprivate var isPassive: Bool { if case .timeout = self { false } else { true } }
}

/// Forty validators, an executor, and one operation that it has committed to.
private enum PartActors {
    static let network = SubproofActors.network
    static let key = IdentityKey(
        ed25519Seed: SecretBytes(copying: [UInt8](repeating: 9, count: 32)))
    static let peers = (0..<4).map { index in
        IdentityKey(ed25519Seed: SecretBytes(copying: SHA256.hash([UInt8(index), 0x77]))).peerID
    }
    static let executor: Bytes32 = {
        guard case .ed25519(let key) = key.publicKey else { fatalError("Ed25519") }
        return key
    }()
    static let parameters: OperationParameters = make {
        try OperationParameters(
            network: network,
            kinds: [
                try KindRecord(
                    number: 1, capability: 1, policy: .enclaveThenProof, isDeterministic: true,
                    proofTypes: [64, 83], inputSizeMax: 1 << 20, outputSizeMax: 1 << 16,
                    partsMax: 4, ttlMax: 200)
            ], bondDelay: 201, enclaves: enclaves)
    }
    private static let enclaves = EnclaveParameters(
        rules: MadeEnclave.rules,
        allowed: [
            AllowedEnclave(
                kind: 1, AllowedMeasurement(measurement: MadeEnclave.measurement, epochs: 0...1))
        ], epochLength: 50, verifier: MadeEnclave.verifier)
    static let operation = root("operation")

    /// Of both parts: what was committed to, and something else.
    static let statements: [[UInt8]] = (0..<4).map { number in
        let part = number % 2
        let statement = ProofStatement(
            operation: operation, part: UInt32(part), partCount: 2, plan: root("plan"),
            key: VerifierKey(
                type: .nitro, program: MadeEnclave.measurement.digest, artefact: enclaves.artefact),
            input: root("value \(part)"),
            output: root(number < 2 ? "value \(part + 1)" : "something else"), prover: executor)
        let proof = MadeEnclave(UInt8(number + 1)).attest(
            AttestationProofVerifier.attested(statement).reportData)
        return EnclaveStatement(
            signing: must(EnclaveStatementContent(statement, proof: proof)), with: key,
            network: network
        ).sszEncoded()
    }

    static func root(_ name: String) -> Bytes32 { SHA256.hash(Array(name.utf8)) }

    private static func make<Value>(_ body: () throws -> Value) -> Value {
        do { return try body() } catch { fatalError("\(error)") }
    }

    private static let address = must(ExecutionAddress([UInt8](repeating: 1, count: 20)))

    static let commitments = [
        ExecutionCommitment(
            signing: must(
                ExecutionCommitmentContent(
                    operation: operation, executor: executor, outputHash: root("output"),
                    outputSize: 5, outputRoot: root("body"), price: 5, planRoot: root("plan"),
                    parts: (0..<2).map { part in
                        must(
                            PartCommitment(
                                input: root("value \(part)"), output: root("value \(part + 1)"),
                                proofs: [
                                    must(ProofReference(type: 64, size: 9, root: root("proof")))
                                ]))
                    })), with: key, network: network)
    ]

    /// Registries after blocks: at 2 the executor, at 3 the request, at 5 the commitment.
    private static let registries: [OperationRegistry] = {
        var registries = [
            OperationRegistry(enclaves: EnclaveRegistry(allowed: enclaves.allowed))
        ]
        for height in UInt64(1)...5 {
            var logs: [ContractLog] = []
            if height == 2 {
                let registration = ExecutorRegistration(
                    signing: ExecutorMessage(
                        key: executor, recipient: address, capabilities: Capabilities([1]),
                        amount: 1 << 40), with: key, network: network)
                logs = [ContractEvent.executorRegistered(registration).log]
            }
            if height == 3 {
                let request = must(
                    OperationRequest(
                        operation: operation, requester: address, kind: 1,
                        inputHash: root("hash"), inputRoot: root("input"), inputSize: 100,
                        expiry: 100, fee: 1000))
                logs = [ContractEvent.requested(request).log]
            }
            let items = height == 5 ? commitments.map(OperationItem.commitment) : []
            registries.append(
                make {
                    try registries[registries.count - 1].applying(
                        OperationBlock(
                            height: height, beacon: root("beacon"), items: items, logs: logs),
                        parameters
                    ).registry
                })
        }
        return registries
    }()

    static func head(_ height: UInt64) -> OperationHead {
        OperationHead(
            height: height,
            operations: height > 105 ? OperationRegistry() : registries[Int(min(height, 5))],
            eras: [(first: 1, validators: SubproofActors.validators)])
    }

    static func block(_ height: UInt64) -> (OperationHead, OperationReport) {
        (
            head(height),
            OperationReport(
                height: height, changes: [], commitments: height == 5 ? commitments : [])
        )
    }

    static func vote(_ validator: Int, isValid: Bool) -> SubProofVote {
        let proof = ProofName.of(
            commitment: commitments[0].content.hashTreeRoot, part: 0, type: 64)
        return SubProofVote(
            content: SubProofVoteContent(
                id: must(SubProofID(operation: operation, part: 0, proof: proof)),
                validatorsRoot: SubproofActors.validators.root,
                verdict: isValid ? .valid : .reject(.proofFails)),
            validator: ValidatorIndex(validator), scheme: .ed25519,
            signature: SubproofActors.signature)
    }

    static func sign(_ request: PartSignRequest) -> SignedPart? {
        guard case .vote(let content) = request.request else { return nil }
        return .vote(
            SubProofVote(
                content: content, validator: request.validator, scheme: .ed25519,
                signature: SubproofActors.signature))
    }
}
