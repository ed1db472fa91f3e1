public import ChoraleBase
public import Codec

/// A proof of one part of a plan, with what it claims to be of.
///
/// The claims are compared with the plan and never used in its place: what is verified is
/// ``SplitPlan/statement(part:prover:)``.
///
/// Specification: mechanisms row 0.9, `SubProof{plan, index, in, out, proof}`.
public struct SubProof: Hashable, Sendable {
    /// Largest proof of any system, in bytes: EIP-8025's proofs have at most 300 KiB, ours 64 KiB;
    /// documents of enclaves with all collateral stay below as well.
    public static let proofSizeMax = 512 << 10

    /// ``SplitPlan/root``.
    public let plan: Bytes32
    public let part: UInt32
    public let input: Bytes32
    public let output: Bytes32
    /// The prover's Ed25519 public key.
    public let prover: Bytes32
    public let type: ProofType
    public let proof: SSZByteList<524_288>

    /// Nil for a proof larger than ``proofSizeMax``.
    public init?(
        plan: Bytes32, part: UInt32, input: Bytes32, output: Bytes32, prover: Bytes32,
        type: ProofType, proof: [UInt8]
    ) {
        guard let proof = SSZByteList<524_288>(proof) else { return nil }
        self.plan = plan
        self.part = part
        self.input = input
        self.output = output
        self.prover = prover
        self.type = type
        self.proof = proof
    }

    /// A proof of a part of `plan`. Nil for a proof larger than ``proofSizeMax``.
    ///
    /// - Precondition: the plan has that part.
    public init?(plan: SplitPlan, part: Int, prover: Bytes32, proof: [UInt8]) {
        let planned = plan.parts[part]
        self.init(
            plan: plan.root, part: UInt32(part), input: planned.input, output: planned.output,
            prover: prover, type: planned.key.type, proof: proof)
    }
}

extension SubProof: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, UInt32.self, Bytes32.self, Bytes32.self, Bytes32.self, ProofType.self,
        SSZByteList<524_288>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(plan)
        fields.visit(part)
        fields.visit(input)
        fields.visit(output)
        fields.visit(prover)
        fields.visit(type)
        fields.visit(proof)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        plan = try fields.next(in: input)
        part = try fields.next(in: input)
        self.input = try fields.next(in: input)
        output = try fields.next(in: input)
        prover = try fields.next(in: input)
        type = try fields.next(in: input)
        proof = try fields.next(in: input)
    }
}

/// Why sub-proofs are not those of a plan. Any of these refuses the whole.
public enum ChainFault: Error, Hashable, Sendable {
    /// Of another plan, and so perhaps of another operation.
    case foreignPlan(found: Bytes32, expected: Bytes32)
    /// The plan has no such part.
    case foreignPart(part: UInt32, partCount: Int)
    /// In the place of part `part` stands what is part `actual` of the plan.
    case swapped(part: UInt32, actual: UInt32)
    /// What the part claims to take is not what the part before gives.
    case input(part: UInt32, found: Bytes32, expected: Bytes32)
    /// What the part claims to give is not what the next part takes.
    case output(part: UInt32, found: Bytes32, expected: Bytes32)
    /// A proof of another system than the plan's.
    case type(part: UInt32, found: ProofType, expected: ProofType)
    case duplicated(part: UInt32)
    case missing(part: UInt32)
}

extension SplitPlan {
    /// Checks that a sub-proof is of the part that it claims to be, and gives what has to be verified.
    ///
    /// The proof itself is not looked at.
    public func statement(of subProof: SubProof) throws(ChainFault) -> ProofStatement {
        guard subProof.plan == root else {
            throw .foreignPlan(found: subProof.plan, expected: root)
        }
        guard subProof.part < parts.count else {
            throw .foreignPart(part: subProof.part, partCount: parts.count)
        }
        let planned = parts[Int(subProof.part)]
        if subProof.input != planned.input || subProof.output != planned.output {
            let actual = parts.firstIndex {
                $0.input == subProof.input && $0.output == subProof.output
            }
            if let actual { throw .swapped(part: subProof.part, actual: UInt32(actual)) }
            guard subProof.input == planned.input else {
                throw .input(
                    part: subProof.part, found: subProof.input, expected: planned.input)
            }
            throw .output(part: subProof.part, found: subProof.output, expected: planned.output)
        }
        guard subProof.type == planned.key.type else {
            throw .type(
                part: subProof.part, found: subProof.type, expected: planned.key.type)
        }
        return statement(part: Int(subProof.part), prover: subProof.prover)
    }

    /// Checks that sub-proofs are the plan's parts, each once, in whatever order they came.
    ///
    /// - Returns: what has to be verified, by part.
    public func statements(of subProofs: [SubProof]) throws(ChainFault) -> [ProofStatement] {
        var statements = [ProofStatement?](repeating: nil, count: parts.count)
        for subProof in subProofs {
            let statement = try statement(of: subProof)
            guard statements[Int(subProof.part)] == nil else {
                throw .duplicated(part: subProof.part)
            }
            statements[Int(subProof.part)] = statement
        }
        if let missing = statements.firstIndex(of: nil) { throw .missing(part: UInt32(missing)) }
        return statements.compactMap { $0 }
    }
}
