import ArgumentParser
import Chain
import ChoraleBase
import Codec
import Execution
import Operations

struct OperationSubmitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Ask for an operation, and pay for it.",
        discussion: """
            Checks model and input, gives them to the node for others to fetch, and sends the request. \
            With --watch it is followed until it is settled, and its output is printed: on a terminal one \
            line moves, elsewhere there is a line for each change, with --json an object for each. The \
            fee is the most that it may cost; what is not used, or all of it when nobody executes it in \
            time, comes back.

            EXAMPLE
              chorale op submit --data-dir node --kind inference --model digits.model --input 7.input --watch
            """)

    @OptionGroup var options: AdminOptions
    @OptionGroup var paying: WalletOptions
    @Option(
        help: """
            What is to be executed: inference, proven in parts, or inference-committee, which a committee \
            executes again.
            """)
    var kind: SubmittedKind
    @Option(help: ArgumentHelp("A model (docs/inference.md).", valueName: "file"))
    var model: String
    @Option(help: ArgumentHelp("A vector that goes into it.", valueName: "file"))
    var input: String
    @Option(
        help: ArgumentHelp("The most that it may cost. (default: 0.01 ether)", valueName: "wei"))
    var fee: String?
    @Option(help: ArgumentHelp("In how many blocks it is to be settled.", valueName: "blocks"))
    var ttl: UInt64 = 300
    @Flag(help: "Follow it until it is settled, and print its output.") var watch = false
    @Option(help: ArgumentHelp("How long to follow it.", valueName: "seconds"))
    var timeout = 600.0
    @Option(help: ArgumentHelp("With --watch: write the output to a new file.", valueName: "file"))
    var output: String?

    func validate() throws {
        if let fee {
            guard let wei = Ether.digits(fee), wei >= 1, wei <= OperationsContract.feeMax else {
                throw ValidationError(
                    "--fee must be from 1 to 2^96 - 1 wei, not \(fee); an ether is 10^18 wei")
            }
        }
        guard OperationsContract.ttls.contains(ttl) else {
            let ttls = OperationsContract.ttls
            throw ValidationError(
                "--ttl must be from \(ttls.lowerBound) to \(ttls.upperBound) blocks, not \(ttl)")
        }
        guard output == nil || watch else {
            throw ValidationError("--output needs --watch: without it there is nothing to write")
        }
        try checkTimeout(timeout)
    }

    /// 0.01 ether.
    private static let usualFee: UInt128 = 10_000_000_000_000_000

    func run() throws {
        // What is wrong with the files is told before anything is asked of the network.
        let submission = try InferenceSubmission(kind, model: model, input: input)
        let settings = try options.nodeSettings()
        let genesis = try paying.genesis(settings)
        let wei = try price(genesis?.operations)
        if let genesis { try submission.check(against: genesis.operations, fee: wei, ttl: ttl) }
        if let output, Files.exists(output) {
            throw Failure("\(output) exists already and is not overwritten")
        }
        let client = try options.client()
        // A tenth of an ether is more than the gas of a request costs at a hundred times the usual price.
        let wallet = try paying.wallet(
            settings, paying: UInt256(wei: wei) &+ UInt256(100_000_000_000_000_000))
        if let genesis, genesis.rules.chainID != wallet.chainID {
            throw Failure(
                "the node at --rpc is of chain \(wallet.chainID), and the network is "
                    + "\(genesis.rules.chainID)")
        }
        try submission.publish(client, modelPath: model)
        let predicted = try predictedID(wallet)
        let hash = try wallet.send(submission.request(ttl: ttl), value: UInt256(wei: wei))
        guard watch || predicted == nil else {
            report(hash, predicted, submission)
            return
        }
        try follow(hash, submission, client, wallet)
    }

    private func price(_ parameters: OperationParameters?) throws(Failure) -> UInt128 {
        if let fee { return Ether.digits(fee) ?? 0 }
        return max(Self.usualFee, parameters?.kind(kind.number)?.feeMin ?? 0)
    }

    /// What the operation will be called: exact, unless something else of the account is on its way.
    private func predictedID(_ wallet: ContractWallet) throws(Failure) -> Bytes32? {
        do throws(ChainClient.CallError) {
            let address = wallet.account.address
            let included = try wallet.client.includedCount(of: address)
            guard try wallet.client.nonce(of: address) == included else { return nil }
        } catch {
            throw error.failure
        }
        return OperationsContract.operationID(
            chainID: wallet.chainID, requester: wallet.account.address.executionAddress,
            nonce: try wallet.requestCount())
    }

    private func report(_ hash: Bytes32, _ id: Bytes32?, _ submission: InferenceSubmission) {
        guard !options.json else {
            Console.print(
                .object([
                    "operation": id.map { .string("0x\($0)") } ?? .null,
                    "transaction": .string("0x\(hash)"),
                    "inputHash": .string("0x\(submission.inputHash)"),
                    "inputRoot": .string("0x\(submission.inputRoot)"),
                    "partCount": JSONValue(submission.partCount),
                ]))
            return
        }
        var table = Table("operation", id.map { "0x\($0)" } ?? "-")
        table.add("transaction", "0x\(hash)")
        table.add("parts", "\(submission.partCount)")
        table.add("follow it", "chorale op watch \(id.map { "0x\($0)" } ?? "ID")")
        Console.print(table.lines.joined(separator: "\n"))
    }

    private func follow(
        _ hash: Bytes32, _ submission: InferenceSubmission, _ client: AdminClient,
        _ wallet: ContractWallet
    ) throws(Failure) {
        let drawing = ProgressDrawing(
            watch ? ProgressDrawing.style(json: options.json) : .silent)
        drawing.show(
            OperationProgress(.submitted, of: submission.partCount),
            ["transaction": .string("0x\(hash)")])
        let receipt: ChainClient.ReceiptSummary
        do throws(Failure) {
            receipt = try wallet.receipt(of: hash, within: timeout) { drawing.tick() }
        } catch {
            drawing.clear()
            throw error
        }
        guard let id = ContractWallet.operation(in: receipt) else {
            drawing.clear()
            throw Failure(
                "block \(receipt.block) has the request, and the contract says nothing of it")
        }
        guard watch else {
            report(hash, id, submission)
            return
        }
        drawing.detail = "block \(receipt.block)"
        drawing.show(
            OperationProgress(.included, of: submission.partCount),
            ["operation": .string("0x\(id)"), "block": JSONValue(receipt.block)])
        drawing.note("operation  0x\(id)")
        let following = OperationWatch(
            client: client, id: id, partCount: submission.partCount, timeout: timeout,
            wallet: wallet)
        try following.finish(drawing, output: output)
    }
}

struct OperationWatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Follow an operation until it is settled, and print its output.",
        discussion: """
            EXAMPLE
              chorale op watch --data-dir node 0x1f3c…
            """)

    @OptionGroup var options: AdminOptions
    @Argument(help: "The operation's id, 32 bytes in hex.") var id: String
    @Option(help: ArgumentHelp("How long to follow it.", valueName: "seconds"))
    var timeout = 600.0
    @Option(help: ArgumentHelp("Write the output to a new file.", valueName: "file"))
    var output: String?

    func validate() throws {
        _ = try OperationID.parse(id)
        try checkTimeout(timeout)
    }

    func run() throws {
        let watch = OperationWatch(
            client: try options.client(), id: try OperationID.parse(id), partCount: nil,
            timeout: timeout, wallet: nil)
        try watch.finish(
            ProgressDrawing(ProgressDrawing.style(json: options.json)), output: output)
    }
}

extension SubmittedKind: ExpressibleByArgument {}

extension OperationWatch {
    /// Follows it to its end, then shows when each phase was reached, and the output.
    ///
    /// - Parameter path: a new file that the output is written to.
    func finish(_ drawing: ProgressDrawing, output path: String?) throws(Failure) {
        let bytes: [UInt8]
        do throws(Failure) {
            bytes = try output(of: try run(drawing))
        } catch {
            drawing.clear()
            throw error
        }
        let report = OutputReport(bytes)
        var fields: JSONObject = ["operation": .string("0x\(id)")]
        for member in report.fields.members { fields[member.name] = member.value }
        drawing.finish(fields)
        if drawing.isForPeople {
            Console.print("")
            Console.print(report.lines.joined(separator: "\n"))
        }
        if let path { try Files.create(path, bytes) }
    }
}
