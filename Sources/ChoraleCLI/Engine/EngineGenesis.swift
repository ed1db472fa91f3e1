import ChoraleBase
import Codec
import Execution

/// What an engine starts from: a genesis file in geth's form.
struct EngineGenesis {
    let rules: ChainRules
    let state: StateStore
    let header: Header

    init(path: String) throws(Failure) {
        let contents = try WitnessInput.contents(path)
        let document = try WitnessInput.json(contents, path)
        guard let rules = try StateFile.rules(document, path) else {
            throw Failure("\(path) has no `config` with a `chainId`")
        }
        guard document["alloc"]?.object != nil else { throw Failure("\(path) has no `alloc`") }
        self.rules = rules
        state = try StateFile.store(document, path)
        header = try Self.header(document, rules, root: state.root, path)
    }

    private static func header(
        _ document: JSONValue, _ rules: ChainRules, root: Bytes32, _ path: String
    ) throws(Failure) -> Header {
        func word(_ name: String, or other: UInt64) throws(Failure) -> UInt256 {
            guard let value = document[name], value != .null else { return UInt256(other) }
            if let number = value.uint64 { return UInt256(number) }
            guard let text = value.string, text.hasPrefix("0x"), text.utf8.count <= 66,
                let bytes = try? Hex.decode(
                    (text.utf8.count.isMultiple(of: 2) ? "" : "0") + text.dropFirst(2)),
                let word = UInt256(bigEndian: bytes.span)
            else { throw Failure("\(path): `\(name)` is no number") }
            return word
        }
        func number(_ name: String, or other: UInt64) throws(Failure) -> UInt64 {
            guard let number = try word(name, or: other).uint64 else {
                throw Failure("\(path): `\(name)` is not below 2^64")
            }
            return number
        }
        func bytes(_ name: String) throws(Failure) -> [UInt8] {
            guard let value = document[name], value != .null else { return [] }
            guard let text = value.string, let bytes = try? Hex.decode(text) else {
                throw Failure("\(path): `\(name)` is not in hexadecimal")
            }
            return bytes
        }
        func digest(_ name: String) throws(Failure) -> Bytes32 {
            let found = try bytes(name)
            guard !found.isEmpty else { return .zero }
            guard let digest = Bytes32(found.span) else {
                throw Failure("\(path): `\(name)` has not 32 bytes")
            }
            return digest
        }
        let coinbase = try bytes("coinbase")
        guard coinbase.isEmpty || coinbase.count == 20 else {
            throw Failure("\(path): `coinbase` has not 20 bytes")
        }
        var address = Address(UInt256.zero)
        if let given = Address(coinbase.span) { address = given }
        let time = try number("timestamp", or: 0)
        let fork = rules.epoch(at: time).fork
        let isCancun = fork >= .cancun
        let payload = ExecutionPayload(
            parentHash: try digest("parentHash"), feeRecipient: address, stateRoot: root,
            receiptsRoot: Trie.emptyRoot,
            logsBloom: [UInt8](repeating: 0, count: Header.bloomSize),
            prevRandao: try digest("mixHash"), blockNumber: try number("number", or: 0),
            gasLimit: try number("gasLimit", or: 30_000_000),
            gasUsed: try number("gasUsed", or: 0), timestamp: time,
            extraData: try bytes("extraData"),
            baseFeePerGas: try word("baseFeePerGas", or: 1_000_000_000), transactions: [],
            withdrawals: fork >= .shanghai ? [] : nil,
            blobGasUsed: isCancun ? try number("blobGasUsed", or: 0) : nil,
            excessBlobGas: isCancun ? try number("excessBlobGas", or: 0) : nil)
        let beaconRoot = try digest("parentBeaconBlockRoot")
        var header: Header
        do throws(PayloadError) {
            header = try payload.block(
                parentBeaconRoot: isCancun ? beaconRoot : nil,
                requests: fork >= .prague ? [] : nil
            ).header
        } catch {
            throw Failure("\(path): \(error)")
        }
        header.difficulty = try word("difficulty", or: 0)
        header.nonce = try number("nonce", or: 0)
        return header
    }
}
