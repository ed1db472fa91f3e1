import Attestation
import ChoraleBase
import Codec
import Curves
import Groth16

/// Proofs and documents that others have made, from their bytes, under keys that were prepared before.
///
/// Each is also checked to be refused after one bit of it was changed: a verifier that verifies nothing is
/// fast.
extension Micro {
    static func proofs(_ vectors: Vectors) throws {
        try sp1(vectors)
        try riscZero(vectors)
        try snarkJS(vectors)
        try attestations(vectors)
    }

    /// Milliseconds of one call, in CPU time.
    private static func verification(
        _ name: String, atMost goal: Double?, bytes: [UInt8], flipping index: Int,
        _ verify: ([UInt8]) throws -> Void
    ) throws {
        try verify(bytes)
        var changed = bytes
        changed[index] ^= 1
        guard (try? verify(changed)) == nil else {
            throw BenchError("\(name): what was changed is accepted")
        }
        let rate = perSecond(1) { precondition((try? verify(bytes)) != nil, "as before") }
        report(name, 1e3 / rate, "ms", goal: goal.map(Goal.atMost))
    }

    private static let groth16Goal = 15.0

    /// gnark's proofs over BN254, as SP1 wraps its own.
    private static func sp1(_ vectors: Vectors) throws {
        for (title, name, goal) in [
            ("Groth16 over BN254, SP1 6.1 (gnark)", "sp1-v6.1.0-groth16-4388a21c-1", groth16Goal),
            ("PLONK over BN254, SP1 6.1 (gnark)", "sp1-v6.1.0-plonk-5a093a2f-1", nil),
        ] as [(String, String, Double?)] {
            let entry = try vectors.entry(name, of: "zk/sp1/proofs.json")
            let file = try vectors.bytes("zk/sp1/\(try entry["vk_file"].string)")
            let key = try SP1Key(file: file.span)
            let values = try entry["public_values"].hex
            let program = try entry["program_vkey"].digest
            let proof = try entry["proof"].hex
            try verification(
                "\(title), verified", atMost: goal, bytes: proof, flipping: proof.count - 1
            ) { bytes in
                try key.verify(bytes.span, publicValues: values.span, program: program)
            }
        }
    }

    private static func riscZero(_ vectors: Vectors) throws {
        let entry = try vectors.entry("risc0-f7ca3f2c-0", of: "zk/risc0/receipts.json")
        let points = try SnarkJSON.points(
            ofKey: try vectors.bytes("zk/risc0/vk-21c5fdd9.json"), on: BN254.self)
        let key = try RISCZeroKey(
            controlRoot: try entry["control_root"].digest,
            controlID: try entry["bn254_control_id"].digest, key: points)
        let (image, journal) = (try entry["image_id"].digest, try entry["journal"].hex)
        let seal = try entry["seal"].hex
        try verification(
            "Groth16 over BN254, RISC Zero, verified", atMost: groth16Goal, bytes: seal,
            flipping: seal.count - 1
        ) { bytes in
            try key.verify(
                bytes.span, claim: RISCZeroClaim(imageID: image, journal: journal.span))
        }
    }

    private static func snarkJS(_ vectors: Vectors) throws {
        let entry = try vectors.entry("circom-multiplier", of: "zk/groth16-json/vectors.json")
        let key: Groth16Key<BN254> = try SnarkJSON.key(try entry["vk"].document, on: BN254.self)
        let inputs = try SnarkJSON.inputs(try entry["public"].document, on: BN254.self)
        let proof = try entry["proof"].document
        // A digit of the first coordinate.
        guard let digit = proof.firstIndex(where: { (0x32...0x37).contains($0) }) else {
            throw BenchError("a proof without digits")
        }
        try verification(
            "Groth16 over BN254, snarkjs, verified", atMost: groth16Goal, bytes: proof,
            flipping: digit
        ) { bytes in
            try key.verify(try SnarkJSON.proof(bytes, on: BN254.self), inputs: inputs)
        }
    }

    // MARK: Trusted hardware

    private static func attestations(_ vectors: Vectors) throws {
        let verifier = AttestationVerifier()
        let goal = 10.0
        for (title, kind, name) in [
            ("SGX quote", AttestationKind.sgx, "sgx-v3-00606a-a@2025-08"),
            ("TDX quote", .tdx, "tdx-v4-b0c06f-a@2025-06"),
        ] {
            let entry = try vectors.entry(name, of: "tee/intel/cases.json")
            let quote = try vectors.bytes("tee/intel/\(try entry["quote"].string)")
            let collateral = try intelCollateral(
                try vectors.json("tee/intel/\(try entry["collateral"].string)"))
            let now = try entry["now"].time
            // The report's first byte, which the quote's signature is over.
            try verification(
                "\(title), its chain and collateral, verified", atMost: goal, bytes: quote,
                flipping: 48
            ) { bytes in
                _ = try verifier.verify(
                    Evidence(kind: kind, bytes: bytes), with: .intel(collateral), now: now)
            }
            let checked = try verifier.check(collateral)
            try verification(
                "\(title), collateral checked before", atMost: nil, bytes: quote, flipping: 48
            ) { bytes in
                _ = try verifier.verify(
                    Evidence(kind: kind, bytes: bytes), with: checked, now: now)
            }
        }

        let report = try vectors.entry("milan-vcek-2", of: "tee/amd/cases.json")
        func certificate(_ name: String) throws -> SSZByteList<4096> {
            let bytes = try vectors.bytes("tee/amd/\(try report[name].string)")
            guard let list = SSZByteList<4096>(bytes) else {
                throw BenchError("\(bytes.count) bytes of a certificate")
            }
            return list
        }
        let chain = AMDCollateral(
            leaf: try certificate("leaf"), intermediate: try certificate("intermediate"),
            root: try certificate("root"))
        let reported = try report["now"].time
        try verification(
            "SEV-SNP report and its chain, verified", atMost: goal,
            bytes: try vectors.bytes("tee/amd/\(try report["report"].string)"), flipping: 0x50
        ) { bytes in
            _ = try verifier.verify(
                Evidence(kind: .sevSNP, bytes: bytes), with: .amd(chain), now: reported)
        }

        let enclave = try vectors.entry("prod-userdata", of: "tee/nitro/cases.json")
        let document =
            if let text = enclave.value["document_hex"] {
                try Vector("prod-userdata: document_hex", text).hex
            } else { try vectors.bytes("tee/nitro/\(try enclave["document"].string)") }
        let documented = try enclave["now"].time
        try verification(
            "Nitro document and its chain, verified", atMost: goal, bytes: document,
            flipping: document.count - 1
        ) { bytes in
            _ = try verifier.verify(
                Evidence(kind: .nitro, bytes: bytes), with: .none, now: documented)
        }
    }

    private static func intelCollateral(_ file: Vector) throws -> IntelCollateral {
        func list<let limit: Int>(_ bytes: [UInt8]) throws -> SSZByteList<limit> {
            guard let list = SSZByteList<limit>(bytes) else {
                throw BenchError("\(file.place): \(bytes.count) bytes are too many")
            }
            return list
        }
        func text<let limit: Int>(_ name: String) throws -> SSZByteList<limit> {
            try list(Array(try file[name].string.utf8))
        }
        func signature(_ name: String) throws -> SSZByteVector<64> {
            guard let vector = SSZByteVector<64>(try file[name].hex) else {
                throw BenchError("\(file.place): \(name) is no signature")
            }
            return vector
        }
        return IntelCollateral(
            tcbInfo: try text("tcb_info"), tcbInfoSignature: try signature("tcb_info_signature"),
            tcbInfoIssuerChain: try text("tcb_info_issuer_chain"),
            quotingEnclaveIdentity: try text("qe_identity"),
            quotingEnclaveIdentitySignature: try signature("qe_identity_signature"),
            quotingEnclaveIdentityIssuerChain: try text("qe_identity_issuer_chain"),
            platformRevocationList: try list(try file["pck_crl"].hex),
            platformRevocationListIssuerChain: try text("pck_crl_issuer_chain"),
            rootRevocationList: try list(try file["root_ca_crl"].hex))
    }
}
