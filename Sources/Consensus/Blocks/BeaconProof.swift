public import ChoraleBase
public import ChoraleTypes
public import Codec
public import Crypto

/// A proposer's step of the beacon: proof and value.
public struct BeaconProof: Hashable, Sendable {
    public let proof: SSZByteVector<80>
    public let value: Bytes32

    /// Makes the step of `height` with the proposer's key.
    public init(
        previous: Bytes32, height: UInt64, network: NetworkDigest, key: Ed25519.PrivateKey
    ) {
        let alpha = Beacon.alpha(previous: previous, height: height, network: network)
        let proof = VRF.prove(alpha: alpha, privateKey: key)
        guard let bytes = SSZByteVector<80>(proof), let output = try? VRF.output(ofTrusted: proof)
        else { preconditionFailure("our own proof has the form of one") }
        self.proof = bytes
        value = Beacon.value(output: output)
    }

    /// What a block claims.
    public init(claimedBy header: BlockHeader) {
        proof = header.beaconProof
        value = header.beaconValue
    }

    /// Why a step is none. Each makes its block invalid.
    public enum VerifyError: Error, Equatable, Sendable {
        case keyIsNotEd25519
        case proof(VRF.VerifyError)
        case otherValue(claimed: Bytes32, proven: Bytes32)
    }

    /// Checks that the step of `height` is that of the validator with `key`.
    ///
    /// - Complexity: half a millisecond.
    public func verify(
        previous: Bytes32, height: UInt64, network: NetworkDigest, key: SigningKeyBytes
    ) throws(VerifyError) {
        guard key.scheme == .ed25519, let publicKey = Bytes32(key.bytes) else {
            throw .keyIsNotEd25519
        }
        let alpha = Beacon.alpha(previous: previous, height: height, network: network)
        let output: [UInt8]
        do throws(VRF.VerifyError) {
            output = try VRF.verify(proof: proof.bytes, alpha: alpha, publicKey: publicKey)
        } catch {
            throw .proof(error)
        }
        let proven = Beacon.value(output: output)
        guard proven == value else { throw .otherValue(claimed: value, proven: proven) }
    }
}
