public import ChoraleBase
import Crypto

/// The beacon: a value a block, each a proposer's VRF output over the one before.
///
/// What a proposer can do about the value is to make its block or not to; which value its key gives
/// it cannot choose. The round is no part of the input, so that a validator that proposes twice at
/// one height has one value and not two to choose from.
///
/// Specification: mechanisms row 3.1; RFC 9381 for proof and output.
public enum Beacon {
    /// The value before the first block.
    public static func genesis(network: NetworkDigest, genesisID: Bytes32) -> Bytes32 {
        SHA256.hash(ConsensusDomain.message("chorale/beacon/genesis/1", network, genesisID))
    }

    /// What the proposer of `height` proves: `"chorale/beacon/1" ‖ network ‖ previous value ‖ height`
    /// (big-endian).
    public static func alpha(previous: Bytes32, height: UInt64, network: NetworkDigest) -> [UInt8] {
        var alpha = ConsensusDomain.message("chorale/beacon/1", network, previous)
        alpha.appendBigEndian(height)
        return alpha
    }

    /// The value that an output of 64 bytes gives: `SHA-256("chorale/beacon/value/1" ‖ output)`.
    public static func value(output: [UInt8]) -> Bytes32 {
        SHA256.hash(Array("chorale/beacon/value/1".utf8) + output)
    }
}
