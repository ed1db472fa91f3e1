import ChoraleBase
import Codec
import Crypto
import Curves
import Groth16
import ProofSystems
import RemoteProving

extension FuzzTarget {
    static let proofTargets: [FuzzTarget] = [
        FuzzTarget(
            "proof-containers",
            "a statement, plan, sub-proof or reference; each has one encoding, and plans hold together",
            sizeMax: 2048, seeds: containerSeeds, run: proofContainers),
        FuzzTarget(
            "verifying-keys",
            "keys of gnark, snarkjs, SP1 and RISC Zero; what is taken has one encoding",
            sizeMax: 4096, seeds: keySeeds, run: verifyingKeys),
        FuzzTarget(
            "proofs",
            "a proof under a key of ours, as circuit or receipt; one of a statement is none of another",
            sizeMax: 1024, seeds: proofSeeds, run: proofs),
        FuzzTarget(
            "proof-json",
            "a proof and public inputs in snarkjs' JSON, on either curve",
            sizeMax: 2048,
            seeds: {
                [
                    [UInt8]("[\"1\",\"2\"]".utf8),
                    [UInt8](
                        """
                        {"pi_a":["1","2","1"],"pi_b":[["1","0"],["2","0"],["1","0"]],\
                        "pi_c":["0","1","0"]}
                        """.utf8),
                ]
            }, run: proofJSON),
        FuzzTarget(
            "set-inclusion", "RISC Zero's seal of a path and a root's seal; a receipt's file",
            sizeMax: 1024, seeds: setInclusionSeeds, run: setInclusion),
        FuzzTarget(
            "event-stream",
            "a proof node's events; how the bytes are cut does not matter, nor do they grow",
            sizeMax: 2048,
            seeds: {
                [
                    [7] + [UInt8]("event: proof_complete\r\ndata: {}\r\n\r\n: still here\n\n".utf8),
                    [1] + [UInt8]("data\n\ndata: a\ndata: b\n\n".utf8),
                ]
            }, run: eventStream),
    ]

    // MARK: Containers

    private static let samplePlan: SplitPlan? = {
        let key = VerifierKey(type: .groth16, program: SHA256.hash([1]))
        let states = (0..<4).map { SHA256.hash([2, UInt8($0)]) }
        return try? SplitPlan(
            operation: SHA256.hash([3]),
            parts: (0..<3).map { .init(key: key, input: states[$0], output: states[$0 + 1]) })
    }()

    private static func containerSeeds() -> [[UInt8]] {
        guard let plan = samplePlan,
            let proof = SubProof(plan: plan, part: 1, prover: .zero, proof: [1, 2, 3]),
            let reference = ProofRef(
                hash: plan.root, operation: plan.operation, size: 9, part: 1, type: .spartan)
        else { return [] }
        return [
            [0] + plan.statement(part: 0, prover: .zero).sszEncoded(), [1] + plan.sszEncoded(),
            [2] + proof.sszEncoded(), [3] + reference.sszEncoded(),
        ]
    }

    private static func proofContainers(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        do throws(SSZError) {
            switch (input.first ?? 0) & 3 {
            case 0:
                let statement = try ProofStatement(ssz: bytes.span)
                require(statement.sszEncoded() == bytes, "two encodings of a statement")
                require(statement.part < statement.partCount, "a part beyond the plan")
            case 1:
                let plan = try SplitPlan(ssz: bytes.span)
                require(plan.sszEncoded() == bytes, "two encodings of a plan")
                for index in plan.parts.indices.dropFirst() {
                    require(
                        plan.parts[index].input == plan.parts[index - 1].output,
                        "a plan with a gap")
                }
                let subProofs = plan.parts.indices.compactMap {
                    SubProof(plan: plan, part: $0, prover: .zero, proof: [])
                }
                let statements = try? plan.statements(of: subProofs.reversed())
                require(statements?.count == plan.parts.count, "a plan refuses its own parts")
                findings.note("parts", size: plan.parts.count)
            case 2:
                let proof = try SubProof(ssz: bytes.span)
                require(proof.sszEncoded() == bytes, "two encodings of a sub-proof")
                do {
                    _ = try samplePlan?.statement(of: proof)
                } catch {
                    findings.note("chain", error)
                }
            default:
                let reference = try ProofRef(ssz: bytes.span)
                require(reference.sszEncoded() == bytes, "two encodings of a reference")
            }
            findings.note("decoded", size: Int(input.first ?? 0) & 3)
        } catch {
            findings.note("container", error)
        }
    }

    // MARK: Keys

    private static func keySeeds() -> [[UInt8]] {
        let receipt = RISCZeroKey.artefact(
            controlRoot: .zero, controlID: .zero, key: UnitSetup.points(inputCount: 5))
        let g1 = "[\"1\",\"2\",\"1\"]"
        let json = """
            {"protocol":"groth16","curve":"bn128","nPublic":1,"vk_alpha_1":\(g1),\
            "vk_beta_2":[["0","0"],["1","0"],["0","0"]],"IC":[\(g1),\(g1)]}
            """
        return [
            [0] + UnitSetup.gnarkFile, [1] + [UInt8](json.utf8), [2] + receipt,
            [3] + UnitSetup.gnarkFile,
        ]
    }

    private static func verifyingKeys(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        do throws(VerifyingKeyFault) {
            switch (input.first ?? 0) & 3 {
            case 0:
                let key = try GnarkEncoding.key(bytes.span, on: BN254.self)
                findings.note("inputs", size: key.inputCount)
            case 1:
                switch try SnarkJSON.curve(ofKey: bytes) {
                case .bn254: _ = try SnarkJSON.key(bytes, on: BN254.self)
                case .bls12381: _ = try SnarkJSON.key(bytes, on: BLS12381.self)
                }
            case 2:
                let key = try RISCZeroKey(artefact: bytes.span)
                require(
                    key.controlRoot.bytes + key.controlID.bytes == Array(bytes.prefix(64)),
                    "other controls than the artefact's")
            default: _ = try SP1Key(file: bytes.span)
            }
        } catch {
            findings.note("key", error)
        }
    }

    // MARK: Proofs

    private static let receiptKey: [UInt8] = RISCZeroKey.artefact(
        controlRoot: SHA256.hash([4]), controlID: .zero, key: UnitSetup.points(inputCount: 5))

    private static let preparedReceiptKey = try? RISCZeroKey(artefact: receiptKey.span)

    private static let circuitKey = try? Groth16Key(UnitSetup.points(inputCount: 6))

    private static func statement(_ type: ProofType, prover: UInt8) -> ProofStatement {
        ProofStatement(
            operation: SHA256.hash([5]), part: 0, partCount: 1, plan: SHA256.hash([6]),
            key: VerifierKey(type: type, program: .zero), input: SHA256.hash([7]),
            output: SHA256.hash([8]), prover: SHA256.hash([prover]))
    }

    private static func proofSeeds() -> [[UInt8]] {
        let circuit = statement(.groth16, prover: 0)
        let inputs = CircuitVerifier.boundInputs(of: circuit)
        let receipt = statement(.groth16RISCZero, prover: 0)
        let journal = receipt.binding.bytes + receipt.input.bytes + receipt.output.bytes
        guard let key = preparedReceiptKey else { return [] }
        var seal: [UInt8] = []
        seal.appendBigEndian(key.selector)
        let claim = RISCZeroClaim(imageID: receipt.key.program, journal: journal.span)
        let claimInputs = key.inputs(claim).flatMap(\.bytes)
        return [
            [0] + UnitSetup.proof(of: inputs) + inputs,
            [1] + seal + UnitSetup.proof(of: claimInputs) + journal,
        ]
    }

    private static func proofs(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        let isCircuit = (input.first ?? 0) & 1 == 0
        var valid = 0
        guard let circuitKey, let preparedReceiptKey else { return }
        for prover: UInt8 in 0..<2 {
            let verdict =
                isCircuit
                ? CircuitVerifier().verify(
                    bytes.span, of: statement(.groth16, prover: prover), key: .bn254(circuitKey))
                : RISCZeroVerifier().verify(
                    bytes.span, of: statement(.groth16RISCZero, prover: prover),
                    key: preparedReceiptKey)
            switch verdict {
            case .valid: valid += 1
            case .invalid(let fault): findings.note("fault", fault.reason)
            case .unsupported: require(false, "a verifier that has its key abstains")
            }
        }
        require(valid < 2, "one proof of two statements")
        findings.note("valid", size: valid)
    }

    private static func proofJSON(_ input: [UInt8], _ findings: inout Findings) {
        func read<Curve: ProofCurve>(_ curve: Curve.Type) {
            do throws(Groth16Fault) {
                let proof = try SnarkJSON.proof(input, on: curve)
                guard !proof.a.isInfinity, !proof.b.isInfinity, !proof.c.isInfinity else { return }
                let bytes = proof.uncompressed
                let again = try Groth16Proof<Curve>(uncompressed: bytes.span, at: 0)
                require(again == proof, "a proof that is not what it encodes")
            } catch {
                findings.note("proof", error)
            }
            do throws(Groth16Fault) {
                findings.note("inputs", size: try SnarkJSON.inputs(input, on: curve).count)
            } catch {
                findings.note("inputs", error)
            }
        }
        read(BN254.self)
        read(BLS12381.self)
    }

    // MARK: Set inclusion

    private static let inclusion = preparedReceiptKey.map {
        RISCZeroSetInclusion(setBuilder: .zero, key: $0)
    }

    private static func setInclusionSeeds() -> [[UInt8]] {
        guard let inclusion else { return [] }
        func word(_ value: UInt8) -> [UInt8] { [UInt8](repeating: 0, count: 31) + [value] }
        var seal: [UInt8] = []
        seal.appendBigEndian(inclusion.selector)
        seal += word(32) + word(64) + word(128) + word(1) + SHA256.hash([9]).bytes
        seal += [UInt8](repeating: 0, count: 30) + [1, 4]
        seal += [UInt8](repeating: 0, count: 288)
        let zeros = [UInt8](repeating: 0, count: 32)
        // Kind, points, claim with its states, exit code, input, output; parameters, journal.
        var receipt: [UInt8] = [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        receipt += [UInt8](repeating: 9, count: 256) + [0, 0, 0, 0]
        receipt += [1, 0, 0, 0] + zeros + [UInt8](repeating: 0, count: 8) + zeros
        receipt += [UInt8](repeating: 0, count: 8) + [1, 0, 0, 0] + zeros
        receipt += [0, 0, 0, 0, 1, 0, 0, 0, 0] + [1, 0, 0, 0, 0, 0, 0, 0, 7]
        receipt += [1, 0, 0, 0] + zeros + zeros
        receipt += [1, 0, 0, 0, 0, 0, 0, 0, 7] + zeros
        return [seal, receipt]
    }

    private static func setInclusion(_ input: [UInt8], _ findings: inout Findings) {
        guard let inclusion else { return }
        let claim = RISCZeroClaim(imageID: .zero, journalDigest: .zero)
        do throws(RISCZeroFault) {
            try inclusion.verify(input.span, claim: claim)
        } catch {
            findings.note("seal", error)
        }
        do throws(RISCZeroReceipt.Fault) {
            let receipt = try RISCZeroReceipt(bincode: input.span)
            require(receipt.seal.count == RISCZeroKey.sealSize, "a seal of another size")
            findings.note("journal", size: receipt.journal.count)
        } catch {
            findings.note("receipt", error)
        }
    }

    // MARK: Events

    private static func eventStream(_ input: [UInt8], _ findings: inout Findings) {
        var limits = ServerSentEvents.Limits()
        limits.eventSizeMax = 512
        func events(pieces size: Int) -> Result<
            [ServerSentEvents.Event], ServerSentEvents.StreamError
        > {
            var parser = ServerSentEvents(limits: limits)
            var events: [ServerSentEvents.Event] = []
            let bytes = input.dropFirst()
            var start = bytes.startIndex
            do throws(ServerSentEvents.StreamError) {
                while start < bytes.endIndex {
                    let end = min(start + size, bytes.endIndex)
                    events += try parser.append(Array(bytes[start..<end]))
                    start = end
                }
                return .success(events)
            } catch {
                return .failure(error)
            }
        }
        let whole = events(pieces: max(1, input.count))
        let pieces = events(pieces: 1 + Int(input.first ?? 0) % 16)
        switch (whole, pieces) {
        case (.success(let whole), .success(let pieces)):
            require(whole == pieces, "events depend on how bytes are cut")
            for event in whole {
                require(event.data.utf8.count <= 512, "an event beyond the limit")
                findings.note("message", try? ProofNodeEvent(event))
            }
            findings.note("events", size: whole.count)
        case (.failure(let whole), .failure(let pieces)):
            require(whole == pieces, "errors depend on how bytes are cut")
            findings.note("stream", whole)
        default: require(false, "errors depend on how bytes are cut")
        }
    }
}

/// A set-up whose secrets are all one, so that proofs can be made of anything: c = a·b − 1 − Σ inputs.
private enum UnitSetup {
    static func points(inputCount: Int) -> Groth16KeyPoints<BN254> {
        Groth16KeyPoints(
            alpha: .generator, beta: .generator, gamma: .generator, delta: .generator,
            inputs: .init(repeating: .generator, count: inputCount + 1))
    }

    static func proof(of inputs: [UInt8]) -> [UInt8] {
        var sum = Scalar<BN254.Order>.one
        for offset in stride(from: 0, to: inputs.count, by: 32) {
            guard let input = Scalar<BN254.Order>(inputs.span, at: offset) else { return [] }
            sum += input
        }
        let a = Scalar<BN254.Order>(5)
        let c = a - .one - sum
        let first = BN254.sum([(BN254.Point1.generator, a)])
        let third = BN254.sum([(BN254.Point1.generator, c)])
        return Groth16Proof<BN254>(a: first, b: .generator, c: third).uncompressed
    }

    /// gnark's file of this set-up with one input. Both generators have the smaller y.
    static let gnarkFile: [UInt8] = {
        var first = Array(BN254.Point1.generator.uncompressed.prefix(32))
        first[0] |= 0x80
        var second = Array(BN254.Point2.generator.uncompressed.prefix(64))
        second[0] |= 0x80
        let points = first + first + second + second + first + second
        return points + [0, 0, 0, 2] + first + first + [UInt8](repeating: 0, count: 8)
    }()
}
