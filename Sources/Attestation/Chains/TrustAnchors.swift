package import ChoraleBase

/// The roots that everything ends in, by SHA-256 of their encodings.
///
/// They are part of the program: a network that could change them could vouch for anything.
public struct TrustAnchors: Hashable, Sendable {
    package var intel: Bytes32
    package var amd: [AMDProduct: Bytes32]
    package var nitro: Bytes32

    /// Intel SGX Root CA (valid until 2049-12-31), ARK-Milan, ARK-Genoa, ARK-Turin, and
    /// aws.nitro-enclaves (valid until 2049-10-28).
    public static let pinned = TrustAnchors(
        intel: digest("44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"),
        amd: [
            .milan: digest("69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"),
            .genoa: digest("4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"),
            .turin: digest("1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"),
        ],
        nitro: digest("641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"))

    private static func digest(_ text: String) -> Bytes32 {
        guard let bytes = try? Hex.decode(text), let digest = Bytes32(bytes) else {
            preconditionFailure("a pinned root is 64 hexadecimal digits")
        }
        return digest
    }
}
