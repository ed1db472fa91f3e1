public import ChoraleTypes

/// What all nodes of a chain agree on about operations, before it begins.
public struct OperationParameters: Hashable, Sendable {
    /// Most kinds.
    public static let kindsMax = 64

    /// Why parameters are none.
    public enum ParameterError: Error, Hashable, Sendable {
        case tooManyKinds(Int, limit: Int)
        /// Numbers ascend.
        case kindOrder(UInt16)
        /// An executor could take its bond out before what it did is settled.
        case bondDelay(UInt64, minimum: UInt64)
    }

    public let network: NetworkDigest
    /// By their numbers, ascending.
    public let kinds: [KindRecord]
    /// Least bond, in gwei, with which an executor is elected.
    public let bondMin: UInt64
    /// Heights from an executor's exit to the payment of its bond: at least the longest time of any kind.
    public let bondDelay: UInt64
    /// nil where what enclaves say counts for nothing.
    public let enclaves: EnclaveParameters?

    public init(
        network: NetworkDigest, kinds: [KindRecord],
        bondMin: UInt64 = OperationsContract.bondMin,
        bondDelay: UInt64 = 2 * OperationsContract.ttls.upperBound,
        enclaves: EnclaveParameters? = nil
    ) throws(ParameterError) {
        guard kinds.count <= Self.kindsMax else {
            throw .tooManyKinds(kinds.count, limit: Self.kindsMax)
        }
        for (kind, next) in zip(kinds, kinds.dropFirst()) where kind.number >= next.number {
            throw .kindOrder(next.number)
        }
        let longest = kinds.map(\.ttlMax).max() ?? 0
        guard bondDelay > longest else { throw .bondDelay(bondDelay, minimum: longest + 1) }
        self.network = network
        self.kinds = kinds
        self.bondMin = bondMin
        self.bondDelay = bondDelay
        self.enclaves = enclaves
    }

    public func kind(_ number: UInt16) -> KindRecord? { kinds.first { $0.number == number } }
}
