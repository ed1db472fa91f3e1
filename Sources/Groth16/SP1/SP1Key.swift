public import ChoraleBase
import Crypto
import Curves

/// Why a proof of SP1 was refused.
public enum SP1Fault: Error, Hashable, Sendable {
    /// Sizes are exact, in bytes.
    case size(found: Int, expected: Int)
    /// The proof names another verifying key by its first four bytes.
    case selector(found: UInt32, expected: UInt32)
    /// The program's key is no scalar.
    case programNotBelowOrder
    /// One of the words in front of the proof is no scalar: exit code, root or nonce, from 0.
    case wordNotBelowOrder(index: Int)
    /// The program did not end well.
    case exitCode(Bytes32)
    /// Made with recursion programs of another release.
    case recursionRoot(found: Bytes32, expected: Bytes32)
    case groth16(Groth16Fault)
    case plonk(PlonkFault)
}

/// A verifying key file of SP1, and what proofs under it look like.
///
/// A valid proof says that *some* program of this key gave these public values; that the program and the
/// values are those wanted is compared by the caller.
///
/// Specification: succinctlabs/sp1 `crates/verifier`, and the contracts of sp1-contracts. A BLAKE3 digest
/// of the public values, which the Rust verifier tries second, is not accepted.
public struct SP1Key: Sendable {
    private enum Key: Sendable {
        case groth16(Groth16Key<BN254>)
        case plonk(PlonkKey<BN254>)
    }

    public let release: SP1Release
    private let key: Key

    /// - Parameters:
    ///   - file: the verifying key file.
    ///   - releases: those whose keys are taken. A key of version 6 without its root would accept proofs
    ///     over anybody's recursion programs.
    public init(
        file: Span<UInt8>, releases: [SP1Release] = SP1Release.known
    ) throws(VerifyingKeyFault) {
        guard file.count <= PlonkKey<BN254>.fileSize else {
            throw .size(found: file.count, expected: PlonkKey<BN254>.fileSize)
        }
        let hash = SHA256.hash(file)
        guard let release = releases.first(where: { $0.keyHash == hash }) else {
            throw .unknown("no release of SP1 has the key \(hash)")
        }
        let inputCount: Int
        switch release.system {
        case .groth16:
            let groth16 = try GnarkEncoding.key(file, on: BN254.self)
            inputCount = groth16.inputCount
            key = .groth16(groth16)
        case .plonk:
            let plonk = try PlonkKey(file: file)
            inputCount = plonk.inputCount
            key = .plonk(plonk)
        }
        guard inputCount == release.inputCount else {
            throw .inputCount(found: inputCount, limit: release.inputCount)
        }
        self.release = release
    }

    /// The first four bytes of every proof, big-endian.
    public var selector: UInt32 {
        release.keyHash.storage.span.loadBigEndian(UInt32.self, at: 0)
    }

    /// Size of the words between selector and proof, in bytes.
    private var wordsSize: Int { 32 * (release.inputCount - 2) }

    /// Size of every proof, in bytes.
    public var proofSize: Int {
        let body = release.system == .groth16 ? Groth16Proof<BN254>.size : PlonkProof<BN254>.size
        return 4 + wordsSize + body
    }

    /// Checks that the program gave the public values.
    ///
    /// - Parameters:
    ///   - proof: selector, from version 6 on exit code, root and nonce, then the proof itself.
    ///   - program: the program's verifying key, `vk.bytes32()`.
    /// - Throws: ``SP1Fault``, unless it holds.
    public func verify(
        _ proof: Span<UInt8>, publicValues: Span<UInt8>, program: Bytes32
    ) throws(SP1Fault) {
        guard proof.count == proofSize else {
            throw .size(found: proof.count, expected: proofSize)
        }
        let found = proof.loadBigEndian(UInt32.self, at: 0)
        guard found == selector else { throw .selector(found: found, expected: selector) }
        guard let programInput = Scalar<BN254.Order>(program.storage.span) else {
            throw .programNotBelowOrder
        }
        var inputs = [programInput, Self.digest(publicValues)]
        if let root = release.recursionRoot {
            for index in 0..<3 {
                guard let word = Scalar<BN254.Order>(proof, at: 4 + 32 * index) else {
                    throw .wordNotBelowOrder(index: index)
                }
                inputs.append(word)
            }
            // In reach: the proof's size was checked.
            let exitCode = Bytes32(proof.extracting(4..<36)) ?? .zero
            let foundRoot = Bytes32(proof.extracting(36..<68)) ?? .zero
            guard exitCode == .zero else { throw .exitCode(exitCode) }
            guard foundRoot == root else {
                throw .recursionRoot(found: foundRoot, expected: root)
            }
        }
        switch key {
        case .groth16(let key):
            do {
                try key.verify(
                    try Groth16Proof(uncompressed: proof, at: 4 + wordsSize), inputs: inputs)
            } catch {
                throw .groth16(error)
            }
        case .plonk(let key):
            do {
                try key.verify(
                    try PlonkProof(contract: proof, at: 4 + wordsSize), inputs: inputs)
            } catch {
                throw .plonk(error)
            }
        }
    }

    /// SHA-256 of the public values without its three highest bits, so that it is below the order.
    static func digest(_ publicValues: Span<UInt8>) -> Scalar<BN254.Order> {
        var digest = SHA256.hash(publicValues)
        digest.storage[0] &= 0x1F
        return Scalar(reducing: digest)
    }
}
