import ChoraleBase
import Codec
import Execution
import JSONRPC

/// The parameters of `engine_newPayloadV1` to `V5`, and of `engine_executeStatelessPayload` of the same
/// versions, which has a witness as the last.
///
/// Specification: Ethereum execution APIs, engine, "Paris" to "Prague"; the proposal 557.
struct StatelessPayloadRequest {
    /// Of the method's name.
    enum Version: Int, CaseIterable {
        /// Paris.
        case v1 = 1
        /// Paris and Shanghai.
        case v2 = 2
        /// Cancun.
        case v3 = 3
        /// Prague and what has the same payload: Osaka and its blob schedules.
        case v4 = 4
        /// The same; clients that know a later fork use it for that fork only.
        case v5 = 5

        static let methodPrefix = "engine_executeStatelessPayloadV"

        var method: String { "\(Self.methodPrefix)\(rawValue)" }

        init?(method: String, prefix: String = methodPrefix) {
            guard method.hasPrefix(prefix), let number = Int(method.dropFirst(prefix.count)) else {
                return nil
            }
            self.init(rawValue: number)
        }

        func covers(_ fork: Fork) -> Bool {
            switch self {
            case .v1: fork <= .paris
            case .v2: fork <= .shanghai
            case .v3: fork == .cancun
            case .v4: fork >= .prague
            case .v5: false
            }
        }

        var parameterNames: [String] { newPayloadNames + ["witness"] }

        /// Without a witness.
        var newPayloadNames: [String] {
            switch self {
            case .v1, .v2: ["payload"]
            case .v3: ["payload", "versionedHashes", "parentBeaconBlockRoot"]
            case .v4, .v5:
                ["payload", "versionedHashes", "parentBeaconBlockRoot", "executionRequests"]
            }
        }
    }

    let payload: ExecutionPayload
    var versionedHashes: [Bytes32]?
    var parentBeaconRoot: Bytes32?
    var requests: [[UInt8]]?
    /// RLP, opaque to whoever asks; empty where the method takes none.
    let witness: [UInt8]

    /// - Parameter newPayload: the method's name, if it takes no witness.
    init(
        _ version: Version, newPayload: String? = nil, _ params: JSONValue?
    ) throws(RPCError) {
        let names = newPayload == nil ? version.parameterNames : version.newPayloadNames
        guard let values = params?.array, values.count == names.count else {
            throw .parameters(
                "`\(newPayload ?? version.method)` takes \(names.count) parameters by position: "
                    + names.joined(separator: ", "))
        }
        func value(_ name: String) -> EngineValue? {
            names.firstIndex(of: name).map { EngineValue(values[$0], name: name) }
        }
        payload = try ExecutionPayload(EngineValue(values[0], name: names[0]), version)
        if let hashes = value("versionedHashes") {
            versionedHashes = []
            for hash in try hashes.array { versionedHashes?.append(try hash.digest) }
        }
        parentBeaconRoot = try value("parentBeaconBlockRoot")?.digest
        if let list = value("executionRequests") {
            requests = []
            for request in try list.array { requests?.append(try request.bytes) }
        }
        witness = try value("witness")?.bytes ?? []
    }

    func block() throws(PayloadError) -> Block {
        try payload.block(
            parentBeaconRoot: parentBeaconRoot, versionedHashes: versionedHashes,
            requests: requests)
    }
}

extension ExecutionPayload {
    init(_ value: EngineValue, _ version: StatelessPayloadRequest.Version) throws(RPCError) {
        guard value.json.object != nil else { throw value.mismatch("an object") }
        var withdrawals: [Withdrawal]?
        if let list = value.optional("withdrawals") {
            withdrawals = []
            for entry in try list.array { withdrawals?.append(try Withdrawal(entry)) }
        }
        // What the version has must be there, and what it has not must not.
        func required<Value>(
            _ name: String, since first: StatelessPayloadRequest.Version,
            _ found: Value?
        ) throws(RPCError) {
            if version.rawValue >= first.rawValue, found == nil {
                throw .parameter("\(value.name).\(name)", nil, expected: "there from \(first) on")
            }
            if version.rawValue < first.rawValue, found != nil {
                throw .parameters("`\(value.name).\(name)` does not exist in \(version)")
            }
        }
        let blobGasUsed = try value.optional("blobGasUsed")?.uint64
        let excessBlobGas = try value.optional("excessBlobGas")?.uint64
        // V2 is also for blocks of Paris, which have no withdrawals.
        try required(
            "withdrawals", since: version == .v2 && withdrawals == nil ? .v3 : .v2, withdrawals)
        try required("blobGasUsed", since: .v3, blobGasUsed)
        try required("excessBlobGas", since: .v3, excessBlobGas)
        var transactions: [[UInt8]] = []
        for transaction in try value["transactions"].array {
            transactions.append(try transaction.bytes)
        }
        self.init(
            parentHash: try value["parentHash"].digest,
            feeRecipient: try value["feeRecipient"].address,
            stateRoot: try value["stateRoot"].digest,
            receiptsRoot: try value["receiptsRoot"].digest,
            logsBloom: try value["logsBloom"].bytes, prevRandao: try value["prevRandao"].digest,
            blockNumber: try value["blockNumber"].uint64,
            gasLimit: try value["gasLimit"].uint64, gasUsed: try value["gasUsed"].uint64,
            timestamp: try value["timestamp"].uint64, extraData: try value["extraData"].bytes,
            baseFeePerGas: try value["baseFeePerGas"].word, transactions: transactions,
            withdrawals: withdrawals, blobGasUsed: blobGasUsed, excessBlobGas: excessBlobGas)
    }
}

extension Withdrawal {
    init(_ value: EngineValue) throws(RPCError) {
        self.init(
            index: try value["index"].uint64, validatorIndex: try value["validatorIndex"].uint64,
            address: try value["address"].address, amount: try value["amount"].uint64)
    }
}
