import ChoraleBase
import Codec
import Execution
import JSONRPC

/// A block as a parameter names it.
///
/// Specification: Ethereum execution APIs, `BlockNumberOrTagOrHash`; EIP-1898.
enum BlockReference: Hashable {
    case number(UInt64)
    case tag(BlockTag)
    case hash(Bytes32)

    static let expected =
        "a number in hexadecimal, a hash, or one of "
        + BlockTag.allCases.map(\.rawValue).joined(separator: ", ")

    /// - Parameter allowsHash: whether a hash may stand for a block here.
    init(_ value: RPCValue, allowsHash: Bool = true) throws(RPCError) {
        if allowsHash, value.json.object != nil {
            self = try Self.member(of: value)
            return
        }
        guard let text = value.json.string else { throw value.mismatch(Self.expected) }
        if let tag = BlockTag(rawValue: text) {
            self = .tag(tag)
        } else if allowsHash, text.utf8.count == 66 {
            self = .hash(try value.digest())
        } else if text.hasPrefix("0x") {
            self = .number(try value.number())
        } else {
            throw value.mismatch(Self.expected)
        }
    }

    private static func member(of value: RPCValue) throws(RPCError) -> BlockReference {
        switch (value["blockNumber"], value["blockHash"]) {
        case (let number?, nil): return try BlockReference(number, allowsHash: false)
        case (nil, let hash?):
            // Every committed block is canonical.
            _ = try value["requireCanonical"]?.bool()
            return .hash(try hash.digest())
        default: throw value.mismatch("an object with either blockNumber or blockHash")
        }
    }
}

extension ChainView {
    /// The number of the block that is meant; nil when there is none.
    func number(of reference: BlockReference) throws(RPCError) -> UInt64? {
        do throws(ChainFailure) {
            switch reference {
            case .number(let number):
                guard let latest = try self.number(of: .latest), number <= latest else {
                    return nil
                }
                return number
            case .tag(.pending): return try number(of: .latest)
            case .tag(let tag): return try number(of: tag)
            case .hash(let hash): return try number(of: hash)
            }
        } catch {
            throw RPCError(error)
        }
    }

    /// The header of a block on whose state something is to be done.
    func header(_ reference: BlockReference) throws(RPCError) -> (header: Header, hash: Bytes32) {
        if let number = try number(of: reference) {
            do throws(ChainFailure) {
                if let found = try header(at: number) { return found }
            } catch {
                throw RPCError(error)
            }
        }
        throw RPCError.headerNotFound(reference)
    }
}

extension RPCError {
    init(_ failure: ChainFailure) {
        switch failure {
        // EIP-4444: what nodes need not keep.
        case .pruned: self.init(code: 4444, message: "\(failure)")
        case .unavailable, .state: self.init(code: -32000, message: "\(failure)")
        }
    }

    /// What is wrong with what was asked for, as geth numbers it.
    static func server(_ message: String) -> RPCError { RPCError(code: -32000, message: message) }

    static func headerNotFound(_ reference: BlockReference) -> RPCError {
        switch reference {
        case .number(let number): server("header not found: block \(number)")
        case .tag(let tag): server("header not found: there is no `\(tag.rawValue)` block yet")
        case .hash(let hash): server("header for hash not found: 0x\(hash)")
        }
    }
}
