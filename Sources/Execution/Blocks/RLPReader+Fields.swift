import ChoraleBase
import Codec

/// The kinds of fields that execution-layer objects have.
extension RLPReader {
    mutating func uint64(_ input: Span<UInt8>) throws(RLPError) -> UInt64 {
        try required(in: input).uint64(in: input)
    }

    /// At most 256 bits, without leading zeros.
    mutating func uint256(_ input: Span<UInt8>) throws(RLPError) -> UInt256 {
        let range = try required(in: input).bytes()
        guard range.isEmpty || input[range.lowerBound] != 0 else { throw .integerNotMinimal }
        guard let value = UInt256(bigEndian: input.extracting(range)) else {
            throw .wrongSize(found: range.count, expected: 32)
        }
        return value
    }

    mutating func bytes(_ input: Span<UInt8>) throws(RLPError) -> [UInt8] {
        input.extracting(try required(in: input).bytes()).copied()
    }

    mutating func bytes32(_ input: Span<UInt8>) throws(RLPError) -> Bytes32 {
        let range = try required(in: input).bytes()
        guard let value = Bytes32(input.extracting(range)) else {
            throw .wrongSize(found: range.count, expected: 32)
        }
        return value
    }

    mutating func address(_ input: Span<UInt8>) throws(RLPError) -> Address {
        let range = try required(in: input).bytes()
        guard let value = Address(input.extracting(range)) else {
            throw .wrongSize(found: range.count, expected: Address.size)
        }
        return value
    }

    /// An address, or nothing where a contract is created.
    mutating func optionalAddress(_ input: Span<UInt8>) throws(RLPError) -> Address? {
        let range = try required(in: input).bytes()
        if range.isEmpty { return nil }
        guard let value = Address(input.extracting(range)) else {
            throw .wrongSize(found: range.count, expected: Address.size)
        }
        return value
    }

    /// Every item of a list, each read by `read`.
    mutating func list<Element>(
        _ input: Span<UInt8>, itemCountMax: Int,
        _ read: (inout RLPReader, Span<UInt8>) throws(RLPError) -> Element
    ) throws(RLPError) -> [Element] {
        var items = try required(in: input).list(itemCountMax: itemCountMax)
        var elements: [Element] = []
        while items.position < items.end { elements.append(try read(&items, input)) }
        return elements
    }
}

extension RLPWriter {
    mutating func word(_ value: UInt256) { bytes(value.minimalBytes) }

    mutating func address(_ value: Address) { bytes(value.storage.span) }

    mutating func optionalAddress(_ value: Address?) {
        if let value { address(value) } else { bytes([]) }
    }

    mutating func digest(_ value: Bytes32) { bytes(value.storage.span) }
}
