import ChoraleBase
import Codec

extension Header {
    public static let extraDataLengthMax = 32
    static let gasLimitMin: UInt64 = 5000

    /// What can be said against a header when its parent is known, before the block runs.
    ///
    /// The roots are not looked at.
    ///
    /// Specification: yellow paper 4.4.4; EIP-1559, 3675, 4844, 7918.
    public func check(
        after parent: Header, _ epoch: ChainRules.Epoch
    ) throws(BlockRejection) {
        try checkAlone(epoch.fork)
        let parentHash = parent.hash
        guard self.parentHash == parentHash else {
            throw .parentHash(found: self.parentHash, expected: parentHash)
        }
        let (next, overflow) = parent.number.addingReportingOverflow(1)
        guard !overflow, number == next else { throw .number(found: number, expected: next) }
        guard timestamp > parent.timestamp else {
            throw .timestamp(found: timestamp, parent: parent.timestamp)
        }
        let step = parent.gasLimit / 1024
        let distance =
            gasLimit > parent.gasLimit ? gasLimit - parent.gasLimit : parent.gasLimit - gasLimit
        guard distance < step else {
            throw .gasLimitStep(found: gasLimit, parent: parent.gasLimit)
        }
        let baseFee = parent.baseFeeOfNext
        guard baseFeePerGas == baseFee else {
            throw .baseFee(found: baseFeePerGas ?? .zero, expected: baseFee)
        }
        if epoch.fork >= .cancun {
            let excess = parent.excessBlobGasOfNext(epoch)
            guard excessBlobGas == excess else {
                throw .excessBlobGas(found: excessBlobGas ?? 0, expected: excess)
            }
        }
    }

    private func checkAlone(_ fork: Fork) throws(BlockRejection) {
        guard extraData.count <= Self.extraDataLengthMax else {
            throw .extraDataTooLong(extraData.count, limit: Self.extraDataLengthMax)
        }
        guard gasLimit >= Self.gasLimitMin else {
            throw .gasLimitTooLow(gasLimit, limit: Self.gasLimitMin)
        }
        guard gasLimit < 1 << 63 else { throw .gasLimitTooHigh(gasLimit) }
        guard gasUsed <= gasLimit else {
            throw .gasUsedAboveLimit(used: gasUsed, limit: gasLimit)
        }
        guard difficulty.isZero else { throw .difficultyNotZero(difficulty) }
        guard nonce == 0 else { throw .nonceNotZero(nonce) }
        guard ommersHash == Self.emptyOmmersHash else {
            throw .ommersHash(found: ommersHash, expected: Self.emptyOmmersHash)
        }
        try require(.baseFee, baseFeePerGas != nil, from: .london, fork)
        try require(.withdrawalsRoot, withdrawalsRoot != nil, from: .shanghai, fork)
        try require(.blobGas, blobGasUsed != nil, from: .cancun, fork)
        try require(.requestsHash, requestsHash != nil, from: .prague, fork)
    }

    private func require(
        _ field: HeaderField, _ isThere: Bool, from first: Fork, _ fork: Fork
    ) throws(BlockRejection) {
        guard isThere == (fork >= first) else { throw .field(field, isThere: isThere, fork) }
    }

    // MARK: Prices

    /// Wei a gas that a block after this one burns (EIP-1559).
    public var baseFeeOfNext: UInt256 {
        let fee = baseFeePerGas ?? .zero
        let target = gasLimit / 2
        guard target > 0, gasUsed != target else { return fee }
        let distance = gasUsed > target ? gasUsed - target : target - gasUsed
        // A fee is below 2¹²⁸ in any chain that ether lasts for; beyond, it stands still rather than
        // wrapping around.
        let product = fee.multipliedFullWidth(by: UInt256(distance))
        guard product.high.isZero else { return fee }
        let delta =
            product.low.quotientAndRemainder(dividingBy: UInt256(target)).quotient >> 3
        return gasUsed > target ? fee &+ max(delta, .one) : fee &- delta
    }

    /// Blob gas above the target that a block after this one starts with (EIP-4844, 7918).
    ///
    /// - Parameter epoch: of the block after this one.
    public func excessBlobGasOfNext(_ epoch: ChainRules.Epoch) -> UInt64 {
        let excess = excessBlobGas ?? 0
        let used = blobGasUsed ?? 0
        let target = epoch.blobs.target * BlobSchedule.gasPerBlob
        let (sum, overflow) = excess.addingReportingOverflow(used)
        guard !overflow else { return .max }
        guard sum >= target else { return 0 }
        if epoch.fork >= .osaka {
            let execution = UInt256(1 << 13).multipliedFullWidth(by: baseFeePerGas ?? .zero)
            let blob = UInt256(BlobSchedule.gasPerBlob)
                .multipliedFullWidth(by: epoch.blobs.baseFee(excess: excess))
            // Where executing a blob's transaction costs more than the blob, the price does not fall.
            if (execution.high, execution.low) > (blob.high, blob.low) {
                let above = epoch.blobs.max - epoch.blobs.target
                return excess + used / epoch.blobs.max * above
                    + used % epoch.blobs.max * above / epoch.blobs.max
            }
        }
        return sum - target
    }
}
