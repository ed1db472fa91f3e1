public import ChoraleBase
public import Codec

/// An operation that somebody has requested and paid for, as the contract's event tells it.
///
/// Specification: mechanisms row 0.2, `HeteroCall`.
public struct OperationRequest: Hashable, Sendable {
    /// The operation's name.
    public let operation: Bytes32
    /// Who is given back what is not used.
    public let requester: ExecutionAddress
    /// At least 1. Whether there is such a kind is for the registry.
    public let kind: UInt16
    /// What the operation is about, as its kind defines: for inference, model, input, seed and precision. Two
    /// executions of a deterministic kind with one hash have one output (row 0.5).
    public let inputHash: Bytes32
    /// The body that has what the hash is of. Zero for none.
    public let inputRoot: Bytes32
    /// Of that body, in bytes. Zero for none.
    public let inputSize: UInt64
    /// Last height at which it can be settled.
    public let expiry: UInt64
    /// The most that it may cost, in wei.
    public let fee: UInt128

    /// nil when the contract would write no such event.
    public init?(
        operation: Bytes32, requester: ExecutionAddress, kind: UInt16, inputHash: Bytes32,
        inputRoot: Bytes32, inputSize: UInt64, expiry: UInt64, fee: UInt128
    ) {
        guard kind >= 1, (inputRoot == .zero) == (inputSize == 0),
            expiry >= 1, expiry < 1 << 48, fee >= 1, fee <= OperationsContract.feeMax
        else { return nil }
        self.operation = operation
        self.requester = requester
        self.kind = kind
        self.inputHash = inputHash
        self.inputRoot = inputRoot
        self.inputSize = inputSize
        self.expiry = expiry
        self.fee = fee
    }

    init(_ words: inout LogWords) throws(ContractLogError) {
        let request = Self(
            operation: words.next(), requester: try words.address(), kind: try words.number(),
            inputHash: words.next(), inputRoot: words.next(), inputSize: try words.number(),
            expiry: try words.number(), fee: try words.number())
        guard let request else { throw .invalid("a request against the contract's rules") }
        self = request
    }
}

extension OperationRequest: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, ExecutionAddress.self, UInt16.self, Bytes32.self, Bytes32.self, UInt64.self,
        UInt64.self, UInt128.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(operation)
        fields.visit(requester)
        fields.visit(kind)
        fields.visit(inputHash)
        fields.visit(inputRoot)
        fields.visit(inputSize)
        fields.visit(expiry)
        fields.visit(fee)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let request = Self(
            operation: try fields.next(in: input), requester: try fields.next(in: input),
            kind: try fields.next(in: input), inputHash: try fields.next(in: input),
            inputRoot: try fields.next(in: input), inputSize: try fields.next(in: input),
            expiry: try fields.next(in: input), fee: try fields.next(in: input))
        guard let request else { throw .invalidValue("a request against the contract's rules") }
        self = request
    }
}
