import ChoraleBase

/// Runs one message as if somebody had signed it, to see what comes out: `eth_call` and its like.
///
/// Other than for a transaction, the sender may have code, its nonce is whatever the state says, and the
/// gas has no limit but the one that is given. It must still be able to pay.
public enum CallExecution {
    public struct Outcome: Sendable {
        public var status: Status
        public var gasUsed: UInt64
        /// Of ``gasUsed``, what would have been used as well without refunds.
        public var gasRefunded: UInt64
        /// What the message returned, or the reason of its revert.
        public var output: [UInt8]
        public var logs: [Log]
    }

    public enum Status: Hashable, Sendable {
        case succeeded
        /// By REVERT; the output is the reason.
        case reverted
        case failed(Failure)
    }

    /// Why code ended before it was done.
    public enum Failure: String, Hashable, Sendable, CustomStringConvertible {
        case outOfGas = "out of gas"
        case stackUnderflow = "stack underflow"
        case stackOverflow = "stack limit reached 1024"
        case undefinedInstruction = "invalid opcode"
        case jumpTarget = "invalid jump destination"
        case writeInStaticCall = "write protection"
        case returnDataBounds = "return data out of bounds"
        case initcodeTooLarge = "max initcode size exceeded"
        case codeTooLarge = "max code size exceeded"
        case codeReserved = "invalid code: must not begin with 0xef"
        case precompile = "precompile failed"

        public var description: String { rawValue }
    }

    /// - Parameter transaction: its nonce, chain and signature are not looked at.
    /// - Throws: ``ExecutionError/rejected(_:)`` when the gas does not pay for the data, the fees contradict
    ///   each other or the block's base fee, or the sender cannot pay.
    public static func run(
        _ transaction: Transaction, sender: Address, in block: BlockContext,
        reader: any StateReader
    ) throws(ExecutionError) -> Outcome {
        var machine = Machine(reader: reader, block: block)
        let account = machine.state.account(sender.word)
        do throws(StateError) {
            try machine.state.load(account)
        } catch {
            throw .state(error)
        }
        let record = machine.state.accounts[account.index]
        var message = transaction
        message.nonce = record.nonce
        do throws(TransactionRejection) {
            try message.checkAsCall(in: block, balance: record.balance)
        } catch {
            throw .rejected(error)
        }
        let found: TransactionAttempt
        do throws(StateError) {
            found = try machine.perform(message, sender, account)
        } catch {
            throw .state(error)
        }
        let output = machine.returnData.withSpan(0..<machine.returnData.count) { $0.copied() }
        return Outcome(
            status: Status(found.status), gasUsed: found.gasUsed,
            gasRefunded: found.gasRefunded, output: output, logs: machine.settle())
    }
}

extension Transaction {
    fileprivate func checkAsCall(
        in block: BlockContext, balance: UInt256
    ) throws(TransactionRejection) {
        guard nonce < .max else { throw .fault(.nonceMax) }
        guard maxPriorityFeePerGas <= maxFeePerGas else { throw .fault(.priorityAboveMax) }
        guard maxFeePerGas >= block.baseFee else {
            throw .maxFeeBelowBaseFee(maxFee: maxFeePerGas, baseFee: block.baseFee)
        }
        if to == nil, block.fork >= .shanghai, data.count > 49_152 {
            throw .fault(.initcodeTooLarge(data.count, limit: 49_152))
        }
        let gas = intrinsicGas(at: block.fork)
        guard gasLimit >= gas.initial else {
            throw .fault(.intrinsicGas(limit: gasLimit, needed: gas.initial))
        }
        guard gasLimit >= gas.floor else {
            throw .fault(.floorGas(limit: gasLimit, needed: gas.floor))
        }
        guard let needed = costMax, needed <= balance else {
            throw .funds(needed: costMax, balance: balance)
        }
    }
}

extension CallExecution.Status {
    fileprivate init(_ status: MessageResult.Status) {
        switch status {
        case .succeeded: self = .succeeded
        case .reverted: self = .reverted
        case .failed(let failure):
            switch failure {
            case .outOfGas: self = .failed(.outOfGas)
            case .stackUnderflow: self = .failed(.stackUnderflow)
            case .stackOverflow: self = .failed(.stackOverflow)
            case .undefinedInstruction: self = .failed(.undefinedInstruction)
            case .jumpTarget: self = .failed(.jumpTarget)
            case .writeInStaticCall: self = .failed(.writeInStaticCall)
            case .returnDataBounds: self = .failed(.returnDataBounds)
            case .initcodeTooLarge: self = .failed(.initcodeTooLarge)
            case .codeTooLarge: self = .failed(.codeTooLarge)
            case .codeReserved: self = .failed(.codeReserved)
            case .precompile: self = .failed(.precompile)
            }
        }
    }
}

extension BlockContext {
    /// As the transactions of the block with this header have it.
    public init(_ header: Header, _ rules: ChainRules) {
        let epoch = rules.epoch(at: header.timestamp)
        self.init(
            fork: epoch.fork, chainID: rules.chainID, coinbase: header.coinbase,
            number: header.number, timestamp: header.timestamp, gasLimit: header.gasLimit,
            baseFee: header.baseFeePerGas ?? .zero, prevRandao: UInt256(header.mixHash),
            blobBaseFee: epoch.fork >= .cancun
                ? epoch.blobs.baseFee(excess: header.excessBlobGas ?? 0) : .one)
    }
}

extension Address {
    /// Of the contract that a transaction of this sender creates.
    public init(creator: Address, nonce: UInt64) {
        self.init(Machine.address(creator: creator.word, nonce: nonce))
    }
}
