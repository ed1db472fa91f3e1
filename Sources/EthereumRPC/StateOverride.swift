import ChoraleBase
import Codec
import Crypto
import Execution
import JSONRPC

/// A state with some accounts other than they are, for calls that try what would be if.
///
/// Specification: geth's `eth_call`, "State override set".
final class OverriddenState: StateReader {
    private struct Override {
        var nonce: UInt64?
        var balance: UInt256?
        var code: Code?
        /// Slots that are other than in the state, or all that there are.
        var slots: [UInt256: UInt256] = [:]
        var isWholeStorage = false

        var touchesStorage: Bool { isWholeStorage || !slots.isEmpty }
    }

    private let base: any StateReader
    private var overrides: [Address: Override] = [:]

    /// A storage's root that is not that of none, so that slots are asked for.
    private static let someRoot = Bytes32(storage: .init(repeating: 0xFF))

    init(
        _ base: any StateReader, _ value: RPCValue, limits: EthereumLimits
    ) throws(RPCError) {
        self.base = base
        var count = 0
        for member in try value.object().members {
            let name = "\(value.name).\(member.name)"
            let address = try RPCValue(.string(member.name), name: name).address()
            let entry = RPCValue(member.value, name: name)
            _ = try entry.object()
            var override = Override()
            override.nonce = try entry["nonce"]?.number()
            override.balance = try entry["balance"]?.word()
            override.code = try entry["code"].map { (code) throws(RPCError) in
                Code(try code.bytes())
            }
            let (whole, part) = (entry["state"], entry["stateDiff"])
            guard whole == nil || part == nil else {
                throw .server("account \(address) has both 'state' and 'stateDiff'")
            }
            guard entry["movePrecompileToAddress"] == nil else {
                throw .server("movePrecompileToAddress is not supported")
            }
            override.isWholeStorage = whole != nil
            if let slots = whole ?? part {
                for slot in try slots.object().members {
                    let name = "\(slots.name).\(slot.name)"
                    let key = try RPCValue(.string(slot.name), name: name).digest()
                    let word = try RPCValue(slot.value, name: name).digest()
                    override.slots[UInt256(key)] = UInt256(word)
                    count += 1
                }
            }
            count += 1
            guard count <= limits.overrideCountMax else {
                throw .parameters(
                    "`\(value.name)` overrides more than \(limits.overrideCountMax) accounts "
                        + "and slots")
            }
            guard overrides.updateValue(override, forKey: address) == nil else {
                throw .parameters("`\(value.name)` names \(address) twice")
            }
        }
    }

    func account(at address: Address) throws(StateError) -> Account? {
        let found = try base.account(at: address)
        guard let override = overrides[address] else { return found }
        var account = found ?? Account()
        if let nonce = override.nonce { account.nonce = nonce }
        if let balance = override.balance { account.balance = balance }
        if let code = override.code {
            account.codeHash = code.size == 0 ? Account.emptyCodeHashBytes : code.keccak
        }
        if override.touchesStorage { account.storageRoot = Self.someRoot }
        return account
    }

    func storage(
        at slot: UInt256, of address: Address, _ account: Account
    ) throws(StateError) -> UInt256 {
        guard let override = overrides[address], override.touchesStorage else {
            return try base.storage(at: slot, of: address, account)
        }
        if let word = override.slots[slot] { return word }
        guard !override.isWholeStorage, let found = try base.account(at: address),
            found.storageRoot != Trie.emptyRoot
        else { return .zero }
        return try base.storage(at: slot, of: address, found)
    }

    func code(_ hash: Bytes32, of address: Address) throws(StateError) -> Code {
        if let code = overrides[address]?.code, code.keccak == hash { return code }
        return try base.code(hash, of: address)
    }

    func blockHash(_ number: UInt64) throws(StateError) -> Bytes32 {
        try base.blockHash(number)
    }
}

extension BlockContext {
    /// Changes what a call is to think of its block (geth's "block overrides").
    mutating func override(_ value: RPCValue) throws(RPCError) {
        _ = try value.object()
        if let number = value["number"] { self.number = try number.number() }
        if let time = value["time"] { timestamp = try time.number() }
        if let gasLimit = value["gasLimit"] { self.gasLimit = try gasLimit.number() }
        if let coinbase = value["feeRecipient"] ?? value["coinbase"] {
            self.coinbase = try coinbase.address()
        }
        if let random = value["prevRandao"] ?? value["random"] {
            prevRandao = UInt256(try random.digest())
        }
        if let fee = value["baseFeePerGas"] ?? value["baseFee"] { baseFee = try fee.word() }
        if let fee = value["blobBaseFee"] { blobBaseFee = try fee.word() }
    }
}
