public import ChoraleBase

/// A release of SP1's circuits, by its verifying key file.
///
/// Specification: succinctlabs/sp1-contracts, `VERIFIER_HASH` and `VK_ROOT` of each verifier.
public struct SP1Release: Hashable, Sendable {
    public enum System: Hashable, Sendable { case groth16, plonk }

    public let name: String
    public let system: System
    /// SHA-256 of the verifying key file. Its first four bytes begin every proof.
    public let keyHash: Bytes32
    /// The root of the recursion programs' keys that a proof must have been made with; nil up to version
    /// 5, which has it in the circuit.
    public let recursionRoot: Bytes32?

    public init(name: String, system: System, keyHash: Bytes32, recursionRoot: Bytes32? = nil) {
        self.name = name
        self.system = system
        self.keyHash = keyHash
        self.recursionRoot = recursionRoot
    }

    /// How many public inputs proofs have.
    public var inputCount: Int { recursionRoot == nil ? 2 : 5 }

    /// The releases whose proofs this version of Chorale checks.
    public static let known: [SP1Release] = {
        let v60 = digest("008cd56e10c2fe24795cff1e1d1f40d3a324528d315674da45d26afb376e8670")
        let v61 = digest("002f850ee998974d6cc00e50cd0814b098c05bfade466d28573240d057f25352")
        func release(
            _ name: String, _ system: System, _ hash: String, _ root: Bytes32? = nil
        ) -> SP1Release {
            SP1Release(name: name, system: system, keyHash: digest(hash), recursionRoot: root)
        }
        return [
            release(
                "v2.0.0", .groth16,
                "6a2906ac6ec461c8cacd5b3557157f59317bd572e57bc8253975aaf5c5acb488"),
            release(
                "v3.0.0", .groth16,
                "090690902a12d1d02c07a1ad25aa76bded5f6499e12a11ba127669501b553998"),
            release(
                "v4.0.0", .groth16,
                "11b6a09d63d255ad425ee3a7f6211d5ec63fbde9805b40551c3136275b6f4eb4"),
            release(
                "v5.0.0", .groth16,
                "a4594c59bbc142f3b81c3ecb7f50a7c34bc9af7c4c444b5d48b795427e285913"),
            release(
                "v6.0.0", .groth16,
                "0e78f4db7a6771a3a6a7d9c3b0de6fe73d58781368967a7fe84d87aefffec896", v60),
            release(
                "v6.1.0", .groth16,
                "4388a21c687fdd5f218d7e3d13190cac4c5355818d3605fd5fb811df468ee696", v61),
            release(
                "v3.0.0", .plonk,
                "54bdcae3adb83d4ce9ed91d99a31da3086e2b117abf3685164e9f28d78670b05"),
            release(
                "v4.0.0", .plonk,
                "1b34fe11a637737f0c75c88241669dcf9ca3c03713659265b8241f398a2d286d"),
            release(
                "v5.0.0", .plonk,
                "d4e8ecd2357dd882209800acd6abb443d231cf287d77ba62b732ce937c8b56e7"),
            release(
                "v6.0.0", .plonk,
                "bb1a6f2930e94bfe8b35e794faf43133214534a17d2ad8e51358cad437b3c317", v60),
            release(
                "v6.1.0", .plonk,
                "5a093a2fcb46394f5cadfe55c44d4d572fad9cec7aeb38026b0278322ef07fac", v61),
        ]
    }()

    private static func digest(_ text: String) -> Bytes32 {
        guard let bytes = try? Hex.decode(text), let digest = Bytes32(bytes) else {
            preconditionFailure("a constant is 64 hexadecimal digits")
        }
        return digest
    }
}
