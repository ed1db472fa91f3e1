public import ChoraleBase
public import ChoraleTypes
public import Codec
public import PeerIdentity

/// An executor that may be elected.
public struct ExecutorRecord: Hashable, Sendable {
    /// Ed25519.
    public let key: Bytes32
    /// Who is paid, and may take the bond out.
    public let recipient: ExecutionAddress
    /// In gwei.
    public var bond: UInt64
    public var capabilities: Capabilities

    public init(
        key: Bytes32, recipient: ExecutionAddress, bond: UInt64, capabilities: Capabilities
    ) {
        self.key = key
        self.recipient = recipient
        self.bond = bond
        self.capabilities = capabilities
    }
}

/// What an executor signs of its registration, so that nobody can register its key with an address of his own.
public struct ExecutorMessage: Hashable, Sendable {
    /// Ed25519.
    public let key: Bytes32
    public let recipient: ExecutionAddress
    public let capabilities: Capabilities
    /// In gwei: what is added to the bond.
    public let amount: UInt64

    public init(
        key: Bytes32, recipient: ExecutionAddress, capabilities: Capabilities, amount: UInt64
    ) {
        self.key = key
        self.recipient = recipient
        self.capabilities = capabilities
        self.amount = amount
    }
}

/// A registration as the contract's event tells it. Its signature is unchecked until ``isSigned(network:)``.
public struct ExecutorRegistration: Hashable, Sendable {
    public let message: ExecutorMessage
    public let signature: SSZByteVector<64>

    public init(message: ExecutorMessage, signature: SSZByteVector<64>) {
        self.message = message
        self.signature = signature
    }

    /// - Precondition: `key` is Ed25519.
    public init(signing message: ExecutorMessage, with key: IdentityKey, network: NetworkDigest) {
        guard
            let signature = SSZByteVector<64>(
                key.sign(message.signedMessage(network: network)))
        else { preconditionFailure("Ed25519 signatures have 64 bytes") }
        self.init(message: message, signature: signature)
    }

    init(_ words: inout LogWords) throws(ContractLogError) {
        message = ExecutorMessage(
            key: words.next(), recipient: try words.address(),
            capabilities: Capabilities(bits: words.next()), amount: try words.number())
        guard let signature = SSZByteVector<64>(words.next().bytes + words.next().bytes) else {
            preconditionFailure("two words")
        }
        self.signature = signature
        guard message.amount >= OperationsContract.bondMin, !message.capabilities.isEmpty else {
            throw .invalid("a registration against the contract's rules")
        }
    }

    public func isSigned(network: NetworkDigest) -> Bool {
        message.isSigned(by: message.key, signature.bytes, network: network)
    }
}

extension ExecutorRecord: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, ExecutionAddress.self, UInt64.self, Capabilities.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(key)
        fields.visit(recipient)
        fields.visit(bond)
        fields.visit(capabilities)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        key = try fields.next(in: input)
        recipient = try fields.next(in: input)
        bond = try fields.next(in: input)
        capabilities = try fields.next(in: input)
    }
}

extension ExecutorMessage: SignedContent {
    public static let signingDomain = "chorale/executor/1"
    public static let sszLayout = SSZLayout(
        Bytes32.self, ExecutionAddress.self, Capabilities.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(key)
        fields.visit(recipient)
        fields.visit(capabilities)
        fields.visit(amount)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        key = try fields.next(in: input)
        recipient = try fields.next(in: input)
        capabilities = try fields.next(in: input)
        amount = try fields.next(in: input)
    }
}
