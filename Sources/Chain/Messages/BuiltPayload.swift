import ChoraleTypes
public import Codec

/// What somebody with state built for a proposer without: the answer to a `PayloadOrder`.
public struct BuiltPayload: Hashable, Sendable {
    /// An execution block in RLP.
    public let payload: [UInt8]
    /// See ``WitnessBody``.
    public let witness: [UInt8]

    /// Nil when a part is missing or too large.
    public init?(payload: [UInt8], witness: [UInt8]) {
        let sizes = 1...BlockContents.partSizeMax
        guard sizes.contains(payload.count), sizes.contains(witness.count) else { return nil }
        self.payload = payload
        self.witness = witness
    }
}

extension BuiltPayload: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZByteList<16_777_216>.self, SSZByteList<16_777_216>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let payload = SSZByteList<16_777_216>(payload),
            let witness = SSZByteList<16_777_216>(witness)
        else { preconditionFailure("parts keep to their limits") }
        fields.visit(payload)
        fields.visit(witness)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let payload = try fields.next(SSZByteList<16_777_216>.self, in: input).bytes
        let witness = try fields.next(SSZByteList<16_777_216>.self, in: input).bytes
        guard let value = Self(payload: payload, witness: witness) else {
            throw .invalidValue("a payload without its witness")
        }
        self = value
    }
}
