import ChoraleBase
import Codec
import Execution
import JSONRPC

/// What `eth_call` and `eth_estimateGas` are to try.
///
/// Specification: Ethereum execution APIs, `GenericTransaction`.
struct CallRequest {
    var from: Address
    var to: Address?
    /// nil for as much as there may be.
    var gas: UInt64?
    /// Wei a gas; nil when no price is given, so that nothing is paid and the base fee is none.
    var maxFee: UInt256?
    var tip = UInt256.zero
    var value = UInt256.zero
    var data: [UInt8] = []
    var accessList: [Transaction.AccessListEntry] = []
    var authorizations: [Transaction.Authorization] = []

    /// - Parameter chainID: which the request, if it names one, must mean.
    init(_ call: RPCValue, chainID: UInt64) throws(RPCError) {
        _ = try call.object()
        from = try call["from"]?.address() ?? .zero
        to = try call["to"]?.address()
        gas = try call["gas"]?.number()
        value = try call["value"]?.word() ?? .zero
        _ = try call["nonce"]?.number()
        if let found = try call["chainId"]?.word(), found != UInt256(chainID) {
            throw .server("chainId does not match node's (have=\(found.decimal), want=\(chainID))")
        }
        try readFees(call)
        data = try Self.input(of: call)
        accessList = try call["accessList"]?.accessList() ?? []
        for entry in try call["authorizationList"]?.array(countMax: 256) ?? [] {
            authorizations.append(try Transaction.Authorization(entry))
        }
        guard call["blobVersionedHashes"] == nil, call["blobs"] == nil else {
            throw .server("transaction type not supported: this network carries no blobs")
        }
        guard authorizations.isEmpty || to != nil else {
            throw .parameters("`to` is missing: a set-code transaction creates no contract")
        }
    }

    /// The newer name and the older of the same.
    private static func input(of call: RPCValue) throws(RPCError) -> [UInt8] {
        let input = try call["input"]?.bytes()
        guard let older = call["data"] else { return input ?? [] }
        let data = try older.bytes()
        guard input == nil || input == data else {
            throw .parameters(
                "both \"data\" and \"input\" are set and not equal: use \"input\"")
        }
        return data
    }

    private mutating func readFees(_ call: RPCValue) throws(RPCError) {
        let price = try call["gasPrice"]?.word()
        let maxFee = try call["maxFeePerGas"]?.word()
        let tip = try call["maxPriorityFeePerGas"]?.word()
        if let price {
            guard maxFee == nil, tip == nil else {
                throw .parameters(
                    "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
            }
            guard !price.isZero else { return }
            (self.maxFee, self.tip) = (price, price)
            return
        }
        if let maxFee, let tip, maxFee < tip {
            throw .server(
                "max priority fee per gas higher than max fee per gas: \(tip.decimal) > "
                    + maxFee.decimal)
        }
        // All zero is the same as nothing.
        guard maxFee.map({ !$0.isZero }) ?? false || tip.map({ !$0.isZero }) ?? false else {
            return
        }
        self.maxFee = maxFee ?? tip
        self.tip = tip ?? .zero
    }

    /// The message with this much gas.
    func transaction(gas: UInt64) -> Transaction {
        Transaction(
            kind: authorizations.isEmpty ? .dynamicFee : .setCode, chainID: nil, nonce: 0,
            maxPriorityFeePerGas: tip, maxFeePerGas: maxFee ?? .zero, gasLimit: gas, to: to,
            value: value, data: data, accessList: accessList, authorizations: authorizations)
    }
}

extension RPCValue {
    fileprivate func accessList() throws(RPCError) -> [Transaction.AccessListEntry] {
        var found: [Transaction.AccessListEntry] = []
        for entry in try array() {
            _ = try entry.object()
            guard let address = entry["address"] else {
                throw entry.mismatch("an object with address and storageKeys")
            }
            var slots: [Bytes32] = []
            for slot in try entry["storageKeys"]?.array() ?? [] {
                slots.append(try slot.digest())
            }
            found.append(.init(address: try address.address(), slots: slots))
        }
        return found
    }
}

extension Transaction.Authorization {
    fileprivate init(_ value: RPCValue) throws(RPCError) {
        _ = try value.object()
        func required(_ name: String) throws(RPCError) -> RPCValue {
            guard let member = value[name] else {
                throw .parameter("\(value.name).\(name)", nil, expected: "there")
            }
            return member
        }
        let parity = try required("yParity")
        guard let yParity = UInt8(exactly: try parity.number()) else {
            throw parity.mismatch("a number below 256")
        }
        self.init(
            chainID: try required("chainId").word(), address: try required("address").address(),
            nonce: try required("nonce").number(), yParity: yParity,
            r: try required("r").word(), s: try required("s").word())
    }
}
