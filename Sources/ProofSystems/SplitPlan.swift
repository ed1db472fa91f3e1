public import ChoraleBase
public import Codec
import Crypto

/// How an operation is divided, fixed before anything is proven.
///
/// The output commitment of each part is the input commitment of the next, so that proofs of all parts
/// together are one of the whole. A plan whose parts do not meet cannot be made or decoded.
///
/// Specification: mechanisms row 0.9, `SplitPlan{root, parts[]}`.
public struct SplitPlan: Hashable, Sendable {
    /// Most parts of one operation. A plan then has 33,072 bytes.
    public static let partCountMax = 256

    /// One part of the computation.
    public struct Part: Hashable, Sendable {
        public let key: VerifierKey
        public let input: Bytes32
        public let output: Bytes32

        public init(key: VerifierKey, input: Bytes32, output: Bytes32) {
            self.key = key
            self.input = input
            self.output = output
        }
    }

    /// Why there is no such plan.
    public enum PlanFault: Error, Hashable, Sendable {
        case partCount(found: Int, limit: Int)
        /// What part `part` gives is not what the next one takes.
        case broken(after: Int, output: Bytes32, nextInput: Bytes32)
    }

    public let operation: Bytes32
    /// One to ``partCountMax``, each beginning where the one before ends.
    public let parts: [Part]
    /// `hash_tree_root`: names the plan, and with it the operation.
    public let root: Bytes32

    public init(operation: Bytes32, parts: [Part]) throws(PlanFault) {
        guard (1...Self.partCountMax).contains(parts.count) else {
            throw .partCount(found: parts.count, limit: Self.partCountMax)
        }
        for index in parts.indices.dropFirst() where parts[index - 1].output != parts[index].input {
            throw .broken(
                after: index - 1, output: parts[index - 1].output, nextInput: parts[index].input)
        }
        self.operation = operation
        self.parts = parts
        root = Container(operation: operation, parts: SSZList(parts)!).hashTreeRoot(PlanHash.self)
    }

    /// What the whole computation takes.
    public var input: Bytes32 { parts[0].input }
    /// What the whole computation gives.
    public var output: Bytes32 { parts[parts.count - 1].output }

    /// What a proof of part `part` by `prover` has to prove.
    ///
    /// - Precondition: the plan has that part.
    public func statement(part: Int, prover: Bytes32) -> ProofStatement {
        ProofStatement(
            operation: operation, part: UInt32(part), partCount: UInt32(parts.count), plan: root,
            key: parts[part].key, input: parts[part].input, output: parts[part].output,
            prover: prover)
    }

    /// The fields on the wire; the root follows from them.
    fileprivate struct Container: Hashable, Sendable {
        var operation: Bytes32
        var parts: SSZList<Part, 256>
    }
}

private enum PlanHash: SHA256Hashing {
    static func combine(_ left: Bytes32, _ right: Bytes32) -> Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update(left)
        hasher.update(right)
        return hasher.finish()
    }
}

extension SplitPlan.Part: SSZContainer {
    public static let sszLayout = SSZLayout(VerifierKey.self, Bytes32.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(key)
        fields.visit(input)
        fields.visit(output)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        key = try fields.next(in: input)
        self.input = try fields.next(in: input)
        output = try fields.next(in: input)
    }
}

extension SplitPlan: SSZContainer {
    public static let sszLayout = SSZLayout(Bytes32.self, SSZList<Part, 256>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(operation)
        fields.visit(SSZList<Part, 256>(parts)!)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let operation = try fields.next(Bytes32.self, in: input)
        let parts = try fields.next(SSZList<Part, 256>.self, in: input)
        do {
            try self.init(operation: operation, parts: parts.elements)
        } catch {
            throw .invalidValue("\(error)")
        }
    }
}

extension SplitPlan.Container: SSZContainer {
    fileprivate static let sszLayout = SplitPlan.sszLayout

    fileprivate func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(operation)
        fields.visit(parts)
    }

    fileprivate init(
        sszFields fields: inout SSZFieldReader, in input: Span<UInt8>
    ) throws(SSZError) {
        operation = try fields.next(in: input)
        parts = try fields.next(in: input)
    }
}
