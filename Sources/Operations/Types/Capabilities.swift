public import ChoraleBase
public import Codec

/// What an executor offers: 256 bits, the number of a kind's capability being that of its bit.
public struct Capabilities: Hashable, Sendable {
    /// As the contract has it: bit 0 is the last bit of the last byte.
    public let bits: Bytes32

    public init(bits: Bytes32) { self.bits = bits }

    public init(_ numbers: some Sequence<UInt8>) {
        var bits = Bytes32.zero
        for number in numbers { bits.storage[31 - Int(number) / 8] |= 1 << (number % 8) }
        self.bits = bits
    }

    public func contains(_ number: UInt8) -> Bool {
        bits[31 - Int(number) / 8] >> (number % 8) & 1 == 1
    }

    public var isEmpty: Bool { bits == .zero }
}

extension Capabilities: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { Bytes32.size }
    public func sszEncode(into bytes: inout [UInt8]) { bits.sszEncode(into: &bytes) }
    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 { bits }
    public init(ssz input: Span<UInt8>) throws(SSZError) { bits = try Bytes32(ssz: input) }
}
