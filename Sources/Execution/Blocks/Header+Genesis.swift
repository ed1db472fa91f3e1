public import ChoraleBase

extension Header {
    /// The header of a chain's first block, whose fields a genesis file gives.
    ///
    /// Fields that came with a fork are there from it on; the beacon root before the first block is
    /// zero, and it makes no requests.
    ///
    /// Specification: what geth's `core.Genesis` gives.
    public static func genesis(
        fork: Fork, stateRoot: Bytes32, parentHash: Bytes32 = .zero, coinbase: Address = .zero,
        difficulty: UInt256 = .zero, number: UInt64 = 0, gasLimit: UInt64, gasUsed: UInt64 = 0,
        timestamp: UInt64, extraData: [UInt8] = [], mixHash: Bytes32 = .zero, nonce: UInt64 = 0,
        baseFeePerGas: UInt256, blobGasUsed: UInt64 = 0, excessBlobGas: UInt64 = 0
    ) -> Header {
        Header(
            parentHash: parentHash, ommersHash: emptyOmmersHash, coinbase: coinbase,
            stateRoot: stateRoot, transactionsRoot: Trie.emptyRoot, receiptsRoot: Trie.emptyRoot,
            bloom: [UInt8](repeating: 0, count: bloomSize), difficulty: difficulty,
            number: number, gasLimit: gasLimit, gasUsed: gasUsed, timestamp: timestamp,
            extraData: extraData, mixHash: mixHash, nonce: nonce,
            baseFeePerGas: fork >= .london ? baseFeePerGas : nil,
            withdrawalsRoot: fork >= .shanghai ? Trie.emptyRoot : nil,
            blobGasUsed: fork >= .cancun ? blobGasUsed : nil,
            excessBlobGas: fork >= .cancun ? excessBlobGas : nil,
            parentBeaconRoot: fork >= .cancun ? .zero : nil,
            requestsHash: fork >= .prague ? ExecutionRequests.hash([]) : nil)
    }
}
