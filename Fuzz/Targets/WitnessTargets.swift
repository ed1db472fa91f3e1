import ChoraleBase
import Codec
import Crypto
import Execution

extension FuzzTarget {
    static let witnessTargets: [FuzzTarget] = [
        FuzzTarget(
            "witness-rlp", "a witness as engines exchange it; limits, the same parts in every form",
            seeds: {
                [
                    witnessSeed.rlp(), witnessSeed.rlp(hasKeys: false), Witness().rlp(),
                    RLPValue.list([.list([.bytes([0xC0])]), .list([]), .list([]), .list([])])
                        .encoded(),
                ]
            },
            run: {
                check($0, "rlp", &$1) { (bytes, limits) in try Witness(rlp: bytes, limits: limits) }
            }),
        FuzzTarget(
            "witness-ssz", "a witness of EIP-8025; canonical, limits, the same parts in every form",
            seeds: { [witnessSeed.ssz, Witness().ssz] }, run: witnessSSZ),
        FuzzTarget(
            "witness-input", "a whole stateless input of EIP-8025; limits, parts inside of it",
            seeds: { [statelessInput(witnessSeed), statelessInput(Witness())] },
            run: {
                check($0, "input", &$1) { (bytes, limits) in
                    try Witness(statelessInput: bytes, limits: limits)
                }
            }),
        FuzzTarget(
            "witness-json",
            "a witness as JSON, from any client; limits, nesting, the same parts in every form",
            seeds: jsonSeeds,
            run: {
                check($0, "json", &$1) { (bytes, limits) in try Witness(json: bytes, limits: limits)
                }
            }),
        FuzzTarget(
            "witness-block",
            "a block and a witness, both of the input's making: an answer, and the same one twice",
            sizeMax: 8192, seeds: witnessBlockSeeds, run: witnessBlock),
    ]

    /// Decodes with limits that are easily passed and with the usual ones.
    private static func check(
        _ input: [UInt8], _ scope: StaticString, _ findings: inout Findings,
        _ decode: ([UInt8], Witness.Limits) throws -> Witness
    ) {
        let narrow = Witness.Limits(
            sizeMax: 400, headerCountMax: 2, codeCountMax: 3, nodeCountMax: 4)
        do {
            let witness = try decode(input, narrow)
            require(witness.headers.count <= narrow.headerCountMax, "more headers than allowed")
            require(witness.codes.count <= narrow.codeCountMax, "more codes than allowed")
            require(witness.nodes.count <= narrow.nodeCountMax, "more nodes than allowed")
            require(parts(witness) == (try? decode(input, .init())).map(parts), "limits change it")
        } catch {
            findings.note("narrow", error as? WitnessError)
        }
        do {
            let witness = try decode(input, .init())
            let size = (witness.headers + witness.codes + witness.nodes).reduce(0) { $0 + $1.count }
            require(size <= 16 * input.count, "more bytes than came: \(size)")
            findings.note(scope, size: witness.headers.count)
            findings.note(scope, size: witness.codes.count << 8)
            findings.note(scope, size: witness.nodes.count << 16)
            checkForms(witness)
        } catch {
            findings.note(scope, error as? WitnessError)
        }
    }

    private static func witnessSSZ(_ input: [UInt8], _ findings: inout Findings) {
        check(input, "ssz", &findings) { (bytes, limits) in
            try Witness(ssz: bytes, limits: limits)
        }
        guard let witness = try? Witness(ssz: input) else { return }
        require(witness.ssz == input, "SSZ with two encodings")
    }

    /// Every form holds the same.
    private static func checkForms(_ witness: Witness) {
        let expected = parts(witness)
        require((try? Witness(ssz: witness.ssz)).map(parts) == expected, "another witness in SSZ")
        require(
            (try? Witness(json: witness.json)).map(parts) == expected, "another witness in JSON")
        let canonical = witness.canonical()
        require(parts(canonical.canonical()) == parts(canonical), "canonical is not")
        require(Set(expected[2]) == Set(parts(canonical)[2]), "other nodes in canonical order")
        require(Set(expected[0]) == Set(parts(canonical)[0]), "a header is gone")
        // RLP has the headers as the lists that they are, so they have to be some.
        let areLists = witness.headers.allSatisfy {
            (try? RLPReader.item(witness[$0].span))?.kind == .list
        }
        guard areLists else { return }
        for hasKeys in [false, true] {
            let again = try? Witness(rlp: witness.rlp(hasKeys: hasKeys))
            require(again.map(parts) == expected, "another witness in RLP")
        }
    }

    private static func parts(_ witness: Witness) -> [[[UInt8]]] {
        [witness.headers, witness.codes, witness.nodes].map { $0.map { witness[$0] } }
    }

    // MARK: Verdicts

    /// Input: the size of the block's encoding, the block, and the witness in RLP.
    private static func witnessBlock(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let encoding = program.longChunk()
        guard var block = try? Block(encoding.span),
            let given = try? Witness(rlp: program.rest())
        else { return findings.note("inputs", "none") }
        // What the input need not guess: the hashes that link the parts.
        var parts = parts(given)
        if let last = parts[0].last, var parent = try? Header(last.span) {
            if let root = parts[2].last { parent.stateRoot = Keccak256.hash(root) }
            parts[0][parts[0].count - 1] = parent.encoded
            block.header.parentHash = parent.hash
            block.header.number = parent.number &+ 1
            block.header.transactionsRoot = Trie.root(ofList: block.transactions.map(\.encoded))
            block.header.withdrawalsRoot = block.withdrawals.map {
                Trie.root(ofList: $0.map(\.encoded))
            }
            block.header.baseFeePerGas = parent.baseFeeOfNext
        }
        let witness = Witness(headers: parts[0], codes: parts[1], nodes: parts[2])
        let encoded = block.encoded
        for rules in ChainOfForks.all {
            var roots: [StatelessVerdict.Roots?] = []
            for _ in 0..<2 {
                let execution = StatelessExecution(rules: rules, gasMax: 10_000_000)
                do throws(StatelessFailure) {
                    roots.append(try execution.verdict(encoded.span, witness).roots)
                    findings.note("roots", rules.epochs[0].fork)
                } catch {
                    roots.append(nil)
                    findings.note("verdict", error)
                }
            }
            require(roots[0] == roots[1], "two verdicts")
        }
    }

    // MARK: Seeds

    static let witnessSeed: Witness = {
        var header = Template.block.header
        header.number = 9
        return Witness(
            headers: [header.encoded], codes: [[0x60, 0x00], [5]],
            nodes: [[0xC2, 0x20, 0x05], [UInt8](repeating: 7, count: 60), []])
    }()

    /// As EIP-8025 has it: request, witness, chain configuration, public keys.
    private static func statelessInput(_ witness: Witness) -> [UInt8] {
        let body = witness.ssz
        var output: [UInt8] = []
        output.appendLittleEndian(UInt32(20))
        output.appendLittleEndian(UInt32(23))
        output.append(contentsOf: [1, 0, 0, 0, 0, 0, 0, 0])
        output.appendLittleEndian(UInt32(23 + body.count))
        return output + [1, 2, 3] + body + [4, 5]
    }

    private static func jsonSeeds() -> [[UInt8]] {
        let hash = "0x" + String(repeating: "0", count: 62) + "05"
        let zeros = String(repeating: "00", count: 256)
        let geth = """
            {"jsonrpc":"2.0","id":1,"result":{"headers":[{"parentHash":"\(hash)",
            "sha3Uncles":"\(hash)","miner":"0xaa","stateRoot":"\(hash)",
            "transactionsRoot":"\(hash)","receiptsRoot":"\(hash)","logsBloom":"0x\(zeros)",
            "difficulty":"0x0","number":"0x1e8480","gasLimit":"0x1c9c380","gasUsed":"0x0",
            "timestamp":"0x5","extraData":"0x","mixHash":"\(hash)","nonce":"0x0",
            "baseFeePerGas":"0x7","requestsHash":null}],
            "codes":{"0x6000":{}},"state":{"0xc180":{}},"keys":null}}
            """
        let others = #"{"x":[1,true,{"y":[null,-1.5e3]}],"state":["0x01"],"keys":["0x"]}"#
        return [witnessSeed.json, Witness().json, Array(geth.utf8), Array(others.utf8)]
    }

    /// A block that pays somebody, on a state of two accounts.
    private static func witnessBlockSeeds() -> [[UInt8]] {
        let state = ModelState()
        var transaction = Template.transaction
        transaction.to = Address(UInt256(0xC0DE))
        transaction.gasLimit = 100_000
        transaction.maxFeePerGas = UInt256(1000)
        transaction.maxPriorityFeePerGas = transaction.maxFeePerGas
        transaction.value = .one
        transaction.sign()
        guard let sender = try? transaction.sender() else { return [] }
        let code: [UInt8] = [0x60, 1, 0x5F, 0x55, 0x5F, 0x54, 0x50]
        state.add(sender, .init(balance: UInt256(1 << 60)))
        state.add(Address(UInt256(0xC0DE)), .init(nonce: 1, code: code, storage: [.zero: .one]))
        let (root, store) = state.build()
        var parent = Template.block.header
        parent.gasLimit = 30_000_000
        parent.timestamp = 1
        parent.baseFeePerGas = UInt256(7)
        parent.stateRoot = root
        var block = Template.block
        block.header.gasLimit = 30_000_000
        block.header.timestamp = 2
        block.header.ommersHash = Header.emptyOmmersHash
        block.header.baseFeePerGas = .one
        block.header.withdrawalsRoot = Trie.emptyRoot
        block.withdrawals = [
            Withdrawal(index: 0, validatorIndex: 0, address: Address(.one), amount: 1)
        ]
        block.transactions = [transaction]
        // The root comes last, where the target looks for it.
        var nodes = store.nodes.filter { $0.key != root }.map(\.value)
        nodes.sort { $0.lexicographicallyPrecedes($1) }
        nodes.append(store.nodes[root] ?? [])
        let witness = Witness(headers: [parent.encoded], codes: [code], nodes: nodes)
        var seeds: [[UInt8]] = []
        for isCancun in [false, true] {
            if isCancun {
                block.header.blobGasUsed = 0
                block.header.excessBlobGas = 0
                block.header.parentBeaconRoot = .zero
            }
            let encoded = block.encoded
            seeds.append(
                [UInt8(encoded.count >> 8), UInt8(encoded.count & 255)] + encoded + witness.rlp())
        }
        return seeds
    }
}
