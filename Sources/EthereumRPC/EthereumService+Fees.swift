import ChoraleBase
import Codec
import Execution
import JSONRPC

// What a transaction should offer.

extension EthereumService {
    /// Blocks that a tip is learnt from, and transactions of each: geth's oracle.
    private static let tipBlockCount: UInt64 = 20
    private static let tipSampleCount = 3
    private static let tipPercentile = 60

    func gasPrice() throws(RPCError) -> JSONValue {
        let (header, _) = try chain.header(.tag(.latest))
        return .quantity(UInt256(try suggestedTip()) &+ header.baseFeeOfNext)
    }

    /// The first block that is kept: of a chain that began at a checkpoint, not the genesis.
    private func oldest(upTo newest: UInt64) throws(RPCError) -> UInt64 {
        min(newest, try chain.number(of: .tag(.earliest)) ?? 0)
    }

    /// In wei a gas: the 60th percentile of the lowest tips that the last blocks took.
    func suggestedTip() throws(RPCError) -> UInt64 {
        let latest = try latest()
        var samples: [UInt64] = []
        let first = max(latest - min(latest, Self.tipBlockCount - 1), try oldest(upTo: latest))
        for number in first...latest {
            guard
                let block = try read({ () throws(ChainFailure) in try chain.block(at: number) })
            else { continue }
            let baseFee = block.block.header.baseFeePerGas ?? .zero
            let tips = block.block.transactions.map { $0.tip(at: baseFee).uint64 ?? .max }
            samples += tips.sorted().prefix(Self.tipSampleCount)
        }
        guard !samples.isEmpty else { return limits.tipDefault }
        samples.sort()
        return min(samples[(samples.count - 1) * Self.tipPercentile / 100], limits.tipMax)
    }

    /// Specification: Ethereum execution APIs, `eth_feeHistory`.
    func feeHistory(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        let params = try RPCParameters(params, ["blockCount", "newestBlock", "rewardPercentiles"])
        let countValue = try params.required(0)
        // web3.js sends a number, others a quantity.
        let wanted: UInt64
        if let number = countValue.json.uint64 {
            wanted = number
        } else {
            wanted = try countValue.number()
        }
        let reference = try BlockReference(params.required(1), allowsHash: false)
        let percentiles = try percentiles(params.optional(2))
        guard let newest = try chain.number(of: reference) else {
            throw .server("request beyond head block: \(reference)")
        }
        let oldest = try oldest(upTo: newest)
        let count = min(wanted, limits.feeHistoryCountMax, newest - oldest + 1)
        guard count > 0 else {
            return .object(["oldestBlock": .quantity(0), "gasUsedRatio": .null])
        }
        var first = newest + 1 - count
        // A chain that began at a checkpoint has not executed its first block, and does not know what gas its
        // transactions used.
        if !percentiles.isEmpty, first < newest, try !hasReceipts(first) { first += 1 }
        return try feeHistory(first...newest, percentiles)
    }

    private func hasReceipts(_ number: UInt64) throws(RPCError) -> Bool {
        do throws(ChainFailure) {
            return try chain.receipts(at: number) != nil
        } catch {
            if case .pruned = error { return false }
            throw RPCError(error)
        }
    }

    private func feeHistory(
        _ numbers: ClosedRange<UInt64>, _ percentiles: [Double]
    ) throws(RPCError) -> JSONValue {
        var (baseFees, ratios, blobFees, blobRatios, rewards):
            (
                [JSONValue], [JSONValue], [JSONValue], [JSONValue], [JSONValue]
            ) = ([], [], [], [], [])
        var last: Header?
        for number in numbers {
            let found = try read { () throws(ChainFailure) in try chain.header(at: number) }
            guard let (header, _) = found else { throw .headerNotFound(.number(number)) }
            let epoch = chain.rules.epoch(at: header.timestamp)
            baseFees.append(.quantity(header.baseFeePerGas ?? .zero))
            ratios.append(.number(Double(header.gasUsed) / Double(max(header.gasLimit, 1))))
            blobFees.append(.quantity(Self.blobFee(header.excessBlobGas, epoch)))
            blobRatios.append(
                .number(
                    Double(header.blobGasUsed ?? 0) / Double(max(epoch.blobs.gasMax, 1))))
            if !percentiles.isEmpty { rewards.append(try reward(number, header, percentiles)) }
            last = header
        }
        if let last {
            let epoch = chain.rules.epoch(at: last.timestamp)
            baseFees.append(.quantity(last.baseFeeOfNext))
            blobFees.append(
                .quantity(
                    Self.blobFee(
                        last.excessBlobGas.map { _ in last.excessBlobGasOfNext(epoch) }, epoch)))
        }
        var answer: JSONObject = [
            "oldestBlock": .quantity(numbers.lowerBound), "baseFeePerGas": .array(baseFees),
            "gasUsedRatio": .array(ratios), "baseFeePerBlobGas": .array(blobFees),
            "blobGasUsedRatio": .array(blobRatios),
        ]
        if !percentiles.isEmpty { answer["reward"] = .array(rewards) }
        return .object(answer)
    }

    private static func blobFee(_ excess: UInt64?, _ epoch: ChainRules.Epoch) -> UInt256 {
        excess.map { epoch.blobs.baseFee(excess: $0) } ?? .zero
    }

    private func percentiles(_ value: RPCValue?) throws(RPCError) -> [Double] {
        guard let value else { return [] }
        var found: [Double] = []
        for entry in try value.array(countMax: limits.feePercentileCountMax) {
            guard let percentile = entry.json.double, (0...100).contains(percentile),
                percentile >= found.last ?? 0
            else {
                throw .server(
                    "invalid reward percentile: \(entry.json.text.prefix(32)); they go from 0 to "
                        + "100 and do not fall")
            }
            found.append(percentile)
        }
        return found
    }

    /// Tips of a block's transactions at percentiles of the gas that they used.
    private func reward(
        _ number: UInt64, _ header: Header, _ percentiles: [Double]
    ) throws(RPCError) -> JSONValue {
        let found = try read { () throws(ChainFailure) in
            (try chain.block(at: number), try chain.receipts(at: number))
        }
        guard let block = found.0, let receipts = found.1, !receipts.isEmpty else {
            return .array(percentiles.map { _ in .quantity(0) })
        }
        var before: UInt64 = 0
        var entries: [(tip: UInt256, gas: UInt64)] = []
        for (transaction, receipt) in zip(block.block.transactions, receipts) {
            entries.append(
                (
                    transaction.tip(at: header.baseFeePerGas ?? .zero),
                    receipt.cumulativeGasUsed - before
                ))
            before = receipt.cumulativeGasUsed
        }
        entries.sort { $0.tip < $1.tip }
        var (index, gas) = (0, entries[0].gas)
        return .array(
            percentiles.map { percentile in
                let threshold = UInt64(Double(header.gasUsed) * percentile / 100)
                while gas < threshold, index < entries.count - 1 {
                    index += 1
                    gas += entries[index].gas
                }
                return .quantity(entries[index].tip)
            })
    }
}

extension Transaction {
    /// What the proposer of a block with this base fee gets a gas, in wei.
    func tip(at baseFee: UInt256) -> UInt256 {
        guard maxFeePerGas >= baseFee else { return .zero }
        return min(maxPriorityFeePerGas, maxFeePerGas &- baseFee)
    }

    /// What the sender pays a gas, in wei.
    func price(at baseFee: UInt256) -> UInt256 { baseFee &+ tip(at: baseFee) }
}
