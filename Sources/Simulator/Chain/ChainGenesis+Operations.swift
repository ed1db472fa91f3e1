import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import Operations
import PeerIdentity

/// What can be asked of the operations contract.
extension ChainGenesis {
    static let operationsContract: Address = {
        guard let address = Address(OperationsContract.address.bytes.span) else {
            preconditionFailure("an address has 20 bytes")
        }
        return address
    }()

    /// Inference, proven in parts, of which each has one proof; and the same without proofs, for committees.
    ///
    /// - Parameter enclaves: with them there is a third kind, of which enclaves speak first.
    static func operationParameters(_ enclaves: EnclaveParameters? = nil) -> OperationParameters {
        do {
            guard let network = NetworkDigest(digest) else {
                preconditionFailure("a digest has four bytes")
            }
            var kinds = try [
                KindRecord(
                    number: 1, capability: 1, policy: .proof, isDeterministic: true,
                    proofTypes: [64], inputSizeMax: 1 << 20, outputSizeMax: 1 << 16,
                    partsMax: 64, ttlMax: 600),
                KindRecord(
                    number: 2, capability: 1, policy: .committee, isDeterministic: true,
                    proofTypes: [], inputSizeMax: 1 << 20, outputSizeMax: 1 << 16,
                    partsMax: 1, ttlMax: 600),
            ]
            if enclaves != nil {
                kinds.append(
                    try KindRecord(
                        number: 3, capability: 1, policy: .enclaveThenProof, isDeterministic: true,
                        proofTypes: [64, 80, 81, 82, 83],
                        inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 64, ttlMax: 600))
            }
            return try OperationParameters(
                network: network, kinds: kinds, bondDelay: 700, enclaves: enclaves)
        } catch {
            preconditionFailure("parameters of this program: \(error)")
        }
    }

    /// - Parameter value: in wei.
    func call(_ call: ContractCall, from: Int, nonce: UInt64, value: UInt64 = 0) -> [UInt8] {
        transaction(
            from: from, nonce: nonce, to: Self.operationsContract, value: value, gas: 3_000_000,
            data: call.data)
    }

    /// A registration with the least bond, and what is paid with it, in wei.
    func registration(of executor: IdentityKey, recipient: Address) -> (
        call: ContractCall, value: UInt64
    ) {
        guard let key = executor.ed25519?.publicKey,
            let recipient = ExecutionAddress(recipient.storage.span.copied())
        else { preconditionFailure("hosts have Ed25519 keys") }
        let message = ExecutorMessage(
            key: key, recipient: recipient, capabilities: Capabilities([1]),
            amount: OperationsContract.bondMin)
        return (
            .registerExecutor(
                ExecutorRegistration(signing: message, with: executor, network: parameters.network)),
            OperationsContract.bondMin * 1_000_000_000
        )
    }
}
