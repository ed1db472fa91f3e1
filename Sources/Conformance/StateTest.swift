import ChoraleBase
import Codec
import Crypto
import Execution

/// A test of one transaction on a given state, for several forks and variants of the transaction.
///
/// Specification: ethereum/execution-spec-tests, "State Tests"; the older collection's
/// `GeneralStateTests` have the same form.
package struct StateTest {
    package let name: String
    private let fixture: FixtureValue

    package init(name: String, _ fixture: FixtureValue) {
        self.name = name
        // Places are named from the test on.
        self.fixture = FixtureValue(fixture.json)
    }

    /// Runs every variant for every fork.
    package func run(_ options: TestOptions = TestOptions()) -> [TestResult] {
        do throws(FixtureError) {
            var results: [TestResult] = []
            for (fork, posts) in try fixture["post"].members {
                for post in try posts.array { results.append(run(post, fork, options)) }
            }
            guard !results.isEmpty else { throw fixture.error("`post` has no results") }
            return results
        } catch {
            var result = TestResult(name: name, fork: "")
            result.fault = "\(error)"
            return [result]
        }
    }

    private func run(
        _ post: FixtureValue, _ fork: String, _ options: TestOptions
    ) -> TestResult {
        var result = TestResult(name: name, fork: fork)
        do throws(FixtureError) {
            let indexes = try post["indexes"]
            result.indexes = .init(
                data: Int(clamping: try indexes["data"].uint64),
                gas: Int(clamping: try indexes["gas"].uint64),
                value: Int(clamping: try indexes["value"].uint64))
            result.fault = try fault(post, options, &result)
        } catch {
            result.fault = "\(error)"
        }
        return result
    }

    private func fault(
        _ post: FixtureValue, _ options: TestOptions, _ result: inout TestResult
    ) throws(FixtureError) -> String? {
        guard let (fork, blobs) = Networks.fork(result.fork) else {
            return "unknown fork `\(result.fork)`: known are "
                + Networks.forks.map(\.name).joined(separator: ", ")
        }
        let state = try MemoryState(fixture["pre"])
        let block = try context(fork, blobs)
        // As the fixtures were made: the hash of a block is that of its number in decimal.
        for ancestor in block.number - min(block.number, 256)..<block.number {
            state.blockHashes[ancestor] = Keccak256.hash(Array("\(ancestor)".utf8))
        }
        var logs: [Log] = []
        var refusal: (any Error)?
        var output: [UInt8]?
        var succeeded = false
        do {
            let (transaction, sender) = try transaction(post, result.indexes)
            let outcome = try TransactionExecution.run(
                transaction, sender: sender, in: block, blobGasMax: blobs.gasMax, reader: state,
                trace: options.trace)
            state.apply(outcome.changes)
            logs = outcome.logs
            (output, succeeded) = (outcome.output, outcome.succeeded)
            result.gasUsed = outcome.gasUsed
        } catch let error as FixtureError {
            throw error
        } catch {
            refusal = error
            result.refusal = "\(error)"
        }
        let root: Bytes32
        do throws(StateError) {
            root = try state.root()
        } catch {
            return "\(error)"
        }
        result.stateRoot = root
        if let trace = options.trace {
            let summary = TraceSummary(
                .test(name), stateRoot: root, output: output, gasUsed: result.gasUsed ?? 0,
                pass: succeeded, fork: result.fork, error: result.refusal)
            trace(summary.line)
        }
        if let fault = try fault(post, refusal, options) { return fault }
        guard try root == post["hash"].digest else {
            let expected = "state root 0x\(root), expected \(try post["hash"].string)"
            guard let accounts = post.optional("state") else { return expected }
            return expected
                + (state.difference(from: try MemoryState(accounts)).map { ": \($0)" } ?? "")
        }
        let hash = Keccak256.hash(Log.encoded(logs))
        guard try hash == post["logs"].digest else {
            return "hash of logs 0x\(hash), expected \(try post["logs"].string)"
        }
        return nil
    }

    /// Whether the transaction was taken or refused as it had to be.
    private func fault(
        _ post: FixtureValue, _ refusal: (any Error)?, _ options: TestOptions
    ) throws(FixtureError) -> String? {
        switch (try post.optional("expectException")?.string, refusal) {
        case (nil, nil): nil
        case (nil, let refusal?): "refused: \(refusal)"
        case (let exception?, nil): "taken, although it must be refused: \(exception)"
        case (let exception?, let refusal?):
            options.checksReasons && !ExpectedException.matches(exception, refusal)
                ? "refused for another reason than \(exception): \(refusal)" : nil
        }
    }

    private func context(
        _ fork: Fork, _ blobs: BlobSchedule
    ) throws(FixtureError) -> BlockContext {
        let env = try fixture["env"]
        let excess = try env.optional("currentExcessBlobGas")?.uint64 ?? 0
        return BlockContext(
            fork: fork, chainID: try chainID(),
            coinbase: try env["currentCoinbase"].address,
            number: try env["currentNumber"].uint64,
            timestamp: try env["currentTimestamp"].uint64,
            gasLimit: try env["currentGasLimit"].uint64,
            baseFee: try env.optional("currentBaseFee")?.word ?? UInt256(10),
            prevRandao: try env.first(of: "currentRandom", "currentDifficulty").word,
            blobBaseFee: fork >= .cancun ? blobs.baseFee(excess: excess) : .one)
    }

    private func chainID() throws(FixtureError) -> UInt64 {
        try fixture.optional("config")?["chainid"].uint64 ?? 1
    }

    // MARK: The transaction

    /// The signed bytes where the fixture has them; else what its fields say, with its sender.
    private func transaction(
        _ post: FixtureValue, _ indexes: TestResult.Indexes?
    ) throws -> (Transaction, sender: Address) {
        if let signed = post.optional("txbytes") {
            let bytes = try signed.bytes
            let transaction = try Transaction(bytes.span)
            return (transaction, try transaction.sender())
        }
        let fields = try fixture["transaction"]
        return (
            try unsigned(fields, indexes ?? .init(data: 0, gas: 0, value: 0)),
            try sender(fields)
        )
    }

    private func sender(_ fields: FixtureValue) throws(FixtureError) -> Address {
        if let sender = fields.optional("sender") { return try sender.address }
        let key = try fields["secretKey"]
        let bytes = try key.bytes
        guard let secret = try? Secp256k1.PrivateKey(SecretBytes(copying: bytes)) else {
            throw key.error("no private key of secp256k1")
        }
        return Address(secret.publicKey)
    }

    private func unsigned(
        _ fields: FixtureValue, _ indexes: TestResult.Indexes
    ) throws(FixtureError) -> Transaction {
        func variant(_ name: String, _ index: Int) throws(FixtureError) -> FixtureValue {
            let values = try fields[name].array
            guard values.indices.contains(index) else {
                throw try fields[name].error("there is no value \(index)")
            }
            return values[index]
        }
        func number(_ name: String) throws(FixtureError) -> UInt256? {
            try fields.optional(name)?.word
        }
        let to = fields.optional("to").flatMap { $0.json == .string("") ? nil : $0 }
        let gasPrice = try number("gasPrice")
        let maxFee = try number("maxFeePerGas") ?? gasPrice ?? .zero
        var transaction = Transaction(
            kind: .legacy, chainID: nil, nonce: try fields["nonce"].uint64,
            maxPriorityFeePerGas: try number("maxPriorityFeePerGas") ?? maxFee,
            maxFeePerGas: maxFee, gasLimit: try variant("gasLimit", indexes.gas).uint64,
            to: try to?.address,
            value: try variant("value", indexes.value).word,
            data: try variant("data", indexes.data).bytes)
        if gasPrice == nil { transaction.kind = .dynamicFee }
        if let lists = fields.optional("accessLists") {
            let values = try lists.array
            if values.indices.contains(indexes.data), values[indexes.data].json != .null {
                transaction.accessList = try accessList(values[indexes.data])
                if gasPrice != nil { transaction.kind = .accessList }
            }
        }
        if let hashes = fields.optional("blobVersionedHashes") {
            transaction.kind = .blob
            transaction.blobHashes = []
            for hash in try hashes.array { transaction.blobHashes.append(try hash.digest) }
            transaction.maxFeePerBlobGas = try number("maxFeePerBlobGas") ?? .zero
        }
        if let list = fields.optional("authorizationList") {
            transaction.kind = .setCode
            for entry in try list.array {
                transaction.authorizations.append(try authorization(entry))
            }
        }
        // Only those of the oldest kind may be for no chain.
        if transaction.kind != .legacy { transaction.chainID = UInt256(try chainID()) }
        return transaction
    }

    private func accessList(
        _ list: FixtureValue
    ) throws(FixtureError) -> [Transaction.AccessListEntry] {
        var entries: [Transaction.AccessListEntry] = []
        for entry in try list.array {
            var slots: [Bytes32] = []
            for slot in try entry["storageKeys"].array { slots.append(try slot.word.bytes32) }
            entries.append(.init(address: try entry["address"].address, slots: slots))
        }
        return entries
    }

    private func authorization(
        _ entry: FixtureValue
    ) throws(FixtureError) -> Transaction.Authorization {
        .init(
            chainID: try entry["chainId"].word, address: try entry["address"].address,
            nonce: try entry["nonce"].uint64,
            yParity: UInt8(clamping: try entry.first(of: "yParity", "v").uint64),
            r: try entry["r"].word, s: try entry["s"].word)
    }
}
