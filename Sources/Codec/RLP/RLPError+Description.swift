extension RLPError: CustomStringConvertible {
    /// A sentence for people, without its full stop.
    public var description: String {
        switch self {
        case .truncated: "RLP ends inside an item's header"
        case .lengthBeyondEnd(let length, let remaining):
            "an RLP item claims \(length) bytes where \(remaining) are left"
        case .lengthNotMinimal: "an RLP length is not in its shortest form"
        case .byteNotMinimal(let byte): "the byte \(byte) has an RLP header that it does not need"
        case .trailingBytes(let count): "\(count) bytes follow where RLP should end"
        case .tooManyItems(let limit): "an RLP list has more than \(limit) items"
        case .tooDeep(let limit): "RLP lists are nested more than \(limit) deep"
        case .unexpectedKind(.bytes): "RLP bytes stand where a list belongs"
        case .unexpectedKind(.list): "an RLP list stands where bytes belong"
        case .missingItem: "an RLP list has too few items"
        case .integerNotMinimal: "an RLP integer has a leading zero"
        case .wrongSize(let found, let expected):
            "an RLP item has \(found) bytes, not \(expected)"
        }
    }
}
