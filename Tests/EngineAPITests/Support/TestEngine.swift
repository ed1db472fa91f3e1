import ChoraleBase
import Codec
import Crypto
import JSONRPC
import Testing

@testable import EngineAPI
@testable import Execution

/// An engine on a genesis in memory, and a consensus client that drives it.
final class TestEngine {
    let service: EngineService<MemoryEngineBase>
    let genesis: Header
    let rules: ChainRules
    /// What the next block that is built takes.
    private let queue = Queue()

    final class Queue {
        var transactions: [Transaction] = []
    }

    static let sender = TestWallet(1)
    static let receiver = Address(UInt256(0xBEEF))

    init(
        _ fork: Fork = .prague, limits: EngineService<MemoryEngineBase>.Limits = .init()
    ) throws {
        rules = .always(fork, blobs: fork >= .prague ? .prague : .cancun, chainID: 1337)
        var entries: [Address: StateStore.Entry] = [
            Self.sender.address: .init(balance: UInt256(1_000_000_000_000_000_000))
        ]
        for address in [Address.withdrawalRequests, .consolidationRequests] {
            entries[address] = .init(nonce: 1, code: [0x00])
        }
        let store = try StateStore(entries)
        var header = Header(
            parentHash: .zero, ommersHash: Header.emptyOmmersHash, coinbase: .zero,
            stateRoot: store.root, transactionsRoot: Trie.emptyRoot,
            receiptsRoot: Trie.emptyRoot, bloom: Bloom().bytes, difficulty: .zero, number: 0,
            gasLimit: 30_000_000, gasUsed: 0, timestamp: 1_700_000_000, extraData: [],
            mixHash: .zero, nonce: 0, baseFeePerGas: UInt256(1_000_000_000))
        if fork >= .shanghai { header.withdrawalsRoot = Trie.emptyRoot }
        if fork >= .cancun {
            (header.blobGasUsed, header.excessBlobGas) = (0, 0)
            header.parentBeaconRoot = .zero
        }
        if fork >= .prague { header.requestsHash = ExecutionRequests.hash([]) }
        genesis = header
        let queue = queue
        service = EngineService(
            base: MemoryEngineBase(genesis: header, state: store), rules: rules,
            version: .init(version: "1", commit: "00000000"), limits: limits
        ) { _, _ in
            defer { queue.transactions = [] }
            return queue.transactions.map { ($0, TestEngine.sender.address) }
        }
    }

    // MARK: Calls

    func call(_ method: String, _ params: [JSONValue]) throws -> JSONValue {
        let request: JSONObject = [
            "jsonrpc": .string("2.0"), "id": .integer(1), "method": .string(method),
            "params": .array(params),
        ]
        return try service.answer(RPCRequest(.object(request)))
    }

    /// The error that a call must have.
    func error(_ method: String, _ params: [JSONValue]) throws -> RPCError {
        try #require(throws: RPCError.self) { try call(method, params) }
    }

    static func state(
        _ head: Bytes32, safe: Bytes32 = .zero, finalized: Bytes32 = .zero
    ) -> JSONValue {
        .object([
            "headBlockHash": .data(head), "safeBlockHash": .data(safe),
            "finalizedBlockHash": .data(finalized),
        ])
    }

    static func attributes(
        _ time: UInt64, version: Int = 3, randao: UInt64 = 1
    ) -> JSONObject {
        var object: JSONObject = [
            "timestamp": .quantity(time), "prevRandao": .data(UInt256(randao).bytes32),
            "suggestedFeeRecipient": .data(Address(UInt256(0xFEE))),
        ]
        if version >= 2 { object["withdrawals"] = .array([]) }
        if version >= 3 { object["parentBeaconBlockRoot"] = .data(Bytes32.zero) }
        return object
    }

    /// A payload as `engine_getPayload` gives it, with all that `engine_newPayload` wants.
    struct Made {
        let hash: Bytes32
        let params: [JSONValue]
        let answer: JSONValue

        var payload: JSONObject { params[0].object ?? [:] }

        /// With another payload.
        func changed(_ change: (inout JSONObject) -> Void) -> [JSONValue] {
            var payload = payload
            change(&payload)
            return [.object(payload)] + params.dropFirst()
        }
    }

    /// Builds a block on a head.
    func make(
        on parent: Bytes32? = nil, _ transactions: [Transaction] = [], randao: UInt64 = 1,
        after seconds: UInt64 = 12, withWitness: Bool = false
    ) throws -> Made {
        queue.transactions = transactions
        let fork = rules.epochs[0].fork
        let parent = parent ?? service.head
        let block = try service.validBlock(parent)
        let time = try #require(block).header.timestamp + seconds
        let version = fork >= .cancun ? 3 : fork == .shanghai ? 2 : 1
        let method =
            "engine_forkchoiceUpdated\(withWitness ? "WithWitness" : "")V\(version)"
        let chosen = try call(
            method,
            [
                Self.state(parent),
                .object(Self.attributes(time, version: version, randao: randao)),
            ])
        #expect(chosen["payloadStatus"]?["status"]?.string == "VALID")
        let id = try #require(chosen["payloadId"])
        let number = fork >= .osaka ? 5 : fork >= .prague ? 4 : version
        let answer = try call("engine_getPayloadV\(number)", [id])
        let payload = number == 1 ? answer : try #require(answer["executionPayload"])
        var params = [payload]
        if number >= 3 { params += [.array([]), .data(Bytes32.zero)] }
        if number >= 4 { params.append(try #require(answer["executionRequests"])) }
        let hash = try #require(payload["blockHash"]?.string)
        return Made(
            hash: try EngineValue(.string(hash), name: "hash").digest, params: params,
            answer: answer)
    }

    var newPayload: String { "engine_newPayloadV\(newPayloadVersion)" }

    var newPayloadVersion: Int {
        switch rules.epochs[0].fork {
        case .london, .paris: 1
        case .shanghai: 2
        case .cancun: 3
        case .prague, .osaka: 4
        }
    }

    /// Gives a payload to this engine, and says what came out.
    func take(_ made: Made) throws -> String? {
        try call(newPayload, made.params)["status"]?.string
    }

    func choose(_ head: Bytes32, safe: Bytes32 = .zero, finalized: Bytes32 = .zero) throws
        -> String?
    {
        let state = Self.state(head, safe: safe, finalized: finalized)
        let version = min(newPayloadVersion, 3)
        return try call("engine_forkchoiceUpdatedV\(version)", [state])["payloadStatus"]?["status"]?
            .string
    }
}

/// Somebody who signs.
struct TestWallet: Sendable {
    private let key: Secp256k1.PrivateKey
    let address: Address

    init(_ number: UInt8) {
        let bytes = SecretBytes(copying: [UInt8](repeating: number, count: 32))
        key = try! Secp256k1.PrivateKey(bytes)
        var probe = Transaction(
            kind: .dynamicFee, chainID: UInt256(1337), nonce: 0, maxPriorityFeePerGas: .zero,
            maxFeePerGas: .zero, gasLimit: 0, to: nil, value: .zero, data: [])
        (probe.yParity, probe.r, probe.s) = Self.sign(key, probe.signingHash)
        address = try! probe.sender()
    }

    func transaction(
        _ nonce: UInt64, to: Address? = TestEngine.receiver, value: UInt64 = 1, data: [UInt8] = [],
        gas: UInt64 = 100_000
    ) -> Transaction {
        var transaction = Transaction(
            kind: .dynamicFee, chainID: UInt256(1337), nonce: nonce,
            maxPriorityFeePerGas: UInt256(1_000_000_000), maxFeePerGas: UInt256(20_000_000_000),
            gasLimit: gas, to: to, value: UInt256(value), data: data)
        (transaction.yParity, transaction.r, transaction.s) = Self.sign(
            key, transaction.signingHash)
        return transaction
    }

    private static func sign(
        _ key: Secp256k1.PrivateKey, _ digest: Bytes32
    ) -> (UInt8, UInt256, UInt256) {
        let (signature, recoveryID) = key.signRecoverable(digest: digest)
        return (
            recoveryID, UInt256(bigEndian: signature.span.extracting(0..<32))!,
            UInt256(bigEndian: signature.span.extracting(32..<64))!
        )
    }
}
