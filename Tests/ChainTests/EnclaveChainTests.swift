import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import MadeEnclaves
import OrderedCollections
import PeerIdentity
import ProofSystems
import Subproof
import Testing

@testable import Chain
@testable import Operations

extension OperationStage {
    /// What the enclave of an elected executor says came out of a part, when it is shown against the commitment.
    ///
    /// - Parameters:
    ///   - rank: of the executor.
    ///   - claims: for what the evidence is, when that is something else.
    func contradiction(
        _ commitment: ExecutionCommitment, part: Int = 1, rank: Int = 1, enclave: UInt8 = 1,
        program: Bytes32 = MadeEnclave.measurement.digest,
        claims: ((ProofStatement) -> ProofStatement)? = nil
    ) throws -> EnclaveContradiction {
        let content = commitment.content
        let election = try #require(head.operations.operations[content.operation]?.election)
        let executor = election.candidates[rank].key
        let key = try #require(
            (0..<3 as Range<UInt8>).map(Self.executorKey).first { $0.publicKey == executor })
        let artefact = try #require(network.parameters.operations.enclaves?.artefact)
        let statement = ProofStatement(
            operation: content.operation, part: UInt32(part),
            partCount: UInt32(content.parts.count), plan: SHA256.hash([4]),
            key: VerifierKey(type: .nitro, program: program, artefact: artefact),
            input: content.parts[part].input, output: SHA256.hash([0x66]), prover: executor)
        let said = claims?(statement) ?? statement
        let proof = MadeEnclave(enclave).attest(
            AttestationProofVerifier.attested(said).reportData)
        let signed = EnclaveStatement(
            signing: try #require(EnclaveStatementContent(statement, proof: proof)),
            with: IdentityKey(key), network: network.parameters.network)
        return try #require(EnclaveContradiction(commitment: content, statement: signed))
    }
}

/// Operations of which enclaves speak before there are proofs.
@Suite struct EnclaveChainTests {
    private typealias Stage = OperationStage

    /// An operation of kind 3 with a commitment of two parts.
    private static func committed() throws -> (Stage, Bytes32, ExecutionCommitment) {
        let (stage, name) = try Stage.elected(kind: 3)
        let commitment = try #require(stage.commitment(name, output: [1, 2]))
        stage.tell(.say(.commitment(commitment)))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        return (stage, name, commitment)
    }

    @Test(arguments: [true, false]) func aContradictionFreezesUntilEveryoneHasJudged(
        isUpheld: Bool
    ) throws {
        let (stage, name, commitment) = try Self.committed()
        let found = try stage.contradiction(commitment)
        let executor = found.statement.content.executor
        // One node has heard of it; blocks tell the others.
        stage.network.hosts[2].handle(.contradict(found))
        #expect(stage.run { $0.operations.operations[name]?.status == .frozen })
        #expect(
            stage.head.operations.operations[name]?.dispute
                == EnclaveDispute(
                    part: 1, enclave: MadeEnclave(1).platform, executor: executor,
                    output: SHA256.hash([0x66])))
        // Fewer have certified both parts: nothing is settled.
        for part in 0..<2 as Range<UInt16> {
            stage.include(try stage.certificate(name, part: part))
        }
        #expect(stage.run { $0.operations.operations[name]?.commitment?.certifiedParts == 3 })
        #expect(stage.status(name) == .frozen)
        #expect(stage.head.operations.settlement(of: name) == nil)
        stage.include(
            try stage.certificate(
                name, part: 1, signers: 4, rejects: !isUpheld, tranche: .everyone))
        if isUpheld {
            #expect(stage.run { $0.operations.operations[name]?.status == .certified })
            #expect(stage.head.operations.enclaves.revoked.elements == [MadeEnclave(1).platform])
            #expect(stage.head.operations.executors[executor] == nil)
            #expect(stage.head.operations.slashed.contains(executor))
            // The enclave is not heard again, and the executor has nothing to lose any more.
            #expect(
                try stage.fault([.contradiction(stage.contradiction(commitment, part: 0, rank: 2))])
                    == .enclave(name, .revoked(MadeEnclave(1).platform)))
            let settlement = try #require(stage.head.operations.settlement(of: name))
            stage.send(.settle(settlement, output: [1, 2]), from: 3)
            #expect(stage.run { _ in Stage.settled(stage, name) })
        } else {
            #expect(stage.run { $0.operations.operations[name]?.status == .requested })
            #expect(stage.head.operations.enclaves.revoked.isEmpty)
            #expect(stage.head.operations.executors[executor] != nil)
            #expect(stage.head.operations.executors[commitment.content.executor] == nil)
        }
        #expect(stage.network.forks.isEmpty && !stage.hasInvalidBlocks)
    }

    @Test func whatIsJudgedAlreadyIsNotFrozen() throws {
        let (stage, name, commitment) = try Self.committed()
        stage.include(
            try stage.certificate(name, part: 1, signers: 4, tranche: .everyone))
        #expect(stage.run { !$0.operations.judgements.isEmpty })
        stage.tell(.contradict(try stage.contradiction(commitment)))
        #expect(stage.run { !$0.operations.enclaves.revoked.isEmpty })
        #expect(stage.status(name) == .committed)
        #expect(!stage.network.hosts[0].operationChanges.contains(.frozen(name)))
    }

    @Test func refusals() throws {
        let (stage, name, commitment) = try Self.committed()
        let good = ChainItem.contradiction(try stage.contradiction(commitment))
        #expect(stage.fault([good]) == nil)
        #expect(stage.fault([good, good]) == .registry(.wrongStatus(name, .frozen)))
        // Read as it is written.
        let item = try #require(good.blockItem)
        let read = try ChainItem(item)
        #expect(item.kind == 7 && read == good)

        func fault(_ found: EnclaveContradiction) -> OperationRuleFault? {
            stage.fault([.contradiction(found)])
        }
        let content = commitment.content
        let other = try #require(
            ExecutionCommitmentContent(
                operation: name, executor: content.executor, outputHash: content.outputHash,
                outputSize: content.outputSize, outputRoot: content.outputRoot, price: 1,
                planRoot: content.planRoot, parts: content.parts))
        let statement = try stage.contradiction(commitment).statement
        #expect(
            fault(try #require(EnclaveContradiction(commitment: other, statement: statement)))
                == .contradictionOfOtherCommitment(name, commitment: other.hashTreeRoot))
        #expect(
            fault(try stage.contradiction(commitment, program: .zero))
                == .enclave(
                    name,
                    .notAllowed(
                        EnclaveMeasurement(kind: .nitro, digest: .zero), kind: 3, epoch: 0)))
        let stolen = try stage.contradiction(commitment) { said in
            ProofStatement(
                operation: said.operation, part: 0, partCount: said.partCount, plan: said.plan,
                key: said.key, input: said.input, output: said.output, prover: said.prover)
        }
        guard case .enclave(name, .evidence(let why))? = fault(stolen) else {
            Issue.record("evidence of another part counts")
            return
        }
        #expect(why.reason == .notBound)
        let unsigned = EnclaveStatement(
            content: statement.content,
            signature: try stage.contradiction(commitment, part: 0).statement.signature)
        #expect(
            fault(try #require(EnclaveContradiction(commitment: content, statement: unsigned)))
                == .enclave(name, .badSignature(statement.content.executor)))
        // Of a kind that has only proofs.
        let (proven, provenName) = try Stage.elected()
        let plain = try #require(proven.commitment(provenName, output: [1, 2]))
        proven.tell(.say(.commitment(plain)))
        #expect(proven.run { $0.operations.operations[provenName]?.status == .committed })
        #expect(
            try proven.fault([.contradiction(proven.contradiction(plain))])
                == .registry(.notOfEnclaves(provenName)))
    }

    // MARK: config.yaml

    private static let digest = String(repeating: "5e", count: 32)

    @Test func entriesAreRead() throws {
        var enclaves = GenesisEnclaves()
        try enclaves.add("sgx measurement=0x\(Self.digest) kind=1")
        try enclaves.add("nitro measurement=\(Self.digest) kind=2 first-epoch=3 last-epoch=4")
        try enclaves.add(
            "sev-snp measurement=0x\(Self.digest) kind=2 product=milan firmware=0x0400000000000018")
        #expect(enclaves.allowed.map(\.kind) == [1, 2, 2])
        #expect(enclaves.allowed[0].entry.epochs == 0...UInt64.max)
        #expect(enclaves.allowed[1].entry.epochs == 3...4)
        #expect(enclaves.allowed[1].entry.measurement.kind == .nitro)
        let parameters = try #require(enclaves.parameters(from: 1_700_000_000, epochLength: 32))
        #expect(parameters.rules.times == 1_700_000_000_000...UInt64(Int64.max))
        #expect(parameters.rules.minimumTCB.bytes.prefix(2) == [4, 0])
        #expect(parameters.rules.requiresAMDRevocationList)
        #expect(GenesisEnclaves().parameters(from: 0, epochLength: 32) == nil)
    }

    /// Each says what is wrong with it.
    @Test(
        arguments: [
            ("", "begins with one of"), ("trustzone", "begins with one of"),
            ("sgx", "`measurement` is not"), ("sgx measurement=0x12 kind=1", "`measurement` is"),
            ("sgx measurement=@", "`kind` is missing"),
            ("sgx measurement=@ kind=0", "`kind` is not"),
            ("sgx measurement=@ kind=65536", "`kind` is not"),
            ("sgx measurement=@ kind=+1", "not a number"),
            ("sgx measurement=@ kind=1 kind=2", "said twice"),
            ("sgx measurement=@ kind=1 colour=red", "is none of"),
            ("sgx measurement=@ kind=1 first-epoch=2 last-epoch=1", "before the first"),
            ("sgx measurement=@ kind=1 product=milan", "are for sev-snp"),
            ("sev-snp measurement=@ kind=1", "`product` is none of"),
            ("sev-snp measurement=@ kind=1 product=milan", "`firmware` is not"),
            ("sev-snp measurement=@ kind=1 product=milan firmware=0x01", "`firmware` is not"),
            (
                "sev-snp measurement=@ kind=1 product=milan firmware=ffffffffffffffff",
                "`firmware` is not"
            ),
        ] as [(String, String)])
    func wrongEntriesSayWhy(text: String, reason: String) throws {
        let entry = text.split(separator: "@", omittingEmptySubsequences: false)
            .joined(separator: Self.digest)
        var enclaves = GenesisEnclaves()
        do throws(GenesisEnclaves.EntryError) {
            try enclaves.add(entry)
            Issue.record("\(entry) is an entry")
        } catch {
            #expect(error.reason.contains(reason), "\(entry): \(error.reason)")
        }
    }

    @Test func entriesAreThereOnce() throws {
        var enclaves = GenesisEnclaves()
        try enclaves.add("sgx measurement=\(Self.digest) kind=1")
        #expect(throws: GenesisEnclaves.EntryError.self) {
            try enclaves.add("sgx measurement=0x\(Self.digest) kind=1")
        }
        let amd = "sev-snp measurement=\(Self.digest) product=genoa firmware="
        try enclaves.add(amd + "0100000000000000 kind=1")
        #expect(throws: GenesisEnclaves.EntryError.self) {
            try enclaves.add(amd + "0200000000000000 kind=2")
        }
    }

    /// A network with an operation's kind of both proofs and enclaves, and this list of enclaves.
    private static func genesis(_ enclaves: String) throws(GenesisError) -> ChainGenesis {
        let account = """
            "\(OperationsContract.executionAddress)": {
              "balance": "0", "code": "0x\(Hex.encode(OperationsContract.code))"
            },
            """
        let alloc = ChainGenesisTests.genesis.split(separator: "\"alloc\": {")
            .joined(separator: "\"alloc\": {" + account)
        return try ChainGenesis(
            files: ChainGenesisTests.files(
                config: ChainGenesisTests.config + """
                    OPERATION_KINDS:
                      - "inference policy=enclave-then-proof proofs=64,80"
                    ENCLAVES:
                    \(enclaves)

                    """, genesis: alloc))
    }

    @Test func networksListTheirEnclaves() throws {
        let genesis = try Self.genesis("  - \"sgx measurement=0x\(Self.digest) kind=1\"")
        let enclaves = try #require(genesis.operations.enclaves)
        #expect(enclaves.allowed.map(\.entry.measurement.kind) == [.sgx])
        #expect(enclaves.epochLength == genesis.epochLength)
        #expect(enclaves.rules.times.lowerBound == genesis.time * 1000)
        #expect(try ChainGenesis(files: ChainGenesisTests.files()).operations.enclaves == nil)
        for (entry, reason) in [
            ("sgx measurement=\(Self.digest) kind=2", "no such kind"),
            ("nitro measurement=\(Self.digest) kind=1", "not of type 83"),
            ("sgx measurement=12 kind=1", "line 9: `ENCLAVES: sgx measurement=12 kind=1`"),
        ] {
            do throws(GenesisError) {
                _ = try Self.genesis("  - \"\(entry)\"")
                Issue.record("\(entry) is an entry")
            } catch {
                #expect("\(error)".contains(reason), "\(error)")
            }
        }
    }
}
