import ChoraleBase

/// What a Chorale network's own gossip topics carry.
///
/// One set of parameters for votes of 200 bytes and proofs of 200 KiB would fit neither: a vote is late
/// after seconds and overtakes everything, a proof is worth waiting for.
///
/// Specification: Chorale's table of gossip topics (`docs/architecture.md`, "Topics").
struct TopicKind {
    let trafficClass: TrafficClass
    /// Largest payload as sent, in bytes.
    let sizeMax: Int
    /// Largest payload unpacked, in bytes. What claims more is not unpacked to be named.
    var uncompressedSizeMax: Int { sizeMax }
    /// How long a message is worth sending.
    let lifetime: Duration

    private static let byName: [String: TopicKind] = [
        "tx": .init(trafficClass: .block, sizeMax: 128 << 10, lifetime: .seconds(60)),
        "inclusion_list": .init(trafficClass: .control, sizeMax: 8348, lifetime: .seconds(12)),
        "column_plan": .init(trafficClass: .block, sizeMax: 256 << 10, lifetime: .seconds(12)),
        "column_output": .init(trafficClass: .block, sizeMax: 64 << 10, lifetime: .seconds(12)),
        // A proposal with a block of 1,024 signatures, and bodies that travel inside.
        "block": .init(trafficClass: .block, sizeMax: 512 << 10, lifetime: .seconds(30)),
        "witness_announce": .init(
            trafficClass: .control, sizeMax: 8 << 10, lifetime: .seconds(30)),
        "vote": .init(trafficClass: .vote, sizeMax: 1 << 10, lifetime: .seconds(12)),
        "subproof_vote": .init(trafficClass: .vote, sizeMax: 1 << 10, lifetime: .seconds(12)),
        // The largest certificate that gossip carries, and what says that it is one.
        "certificate": .init(trafficClass: .vote, sizeMax: (32 << 10) + 64, lifetime: .seconds(30)),
        "prover_commit": .init(
            trafficClass: .control, sizeMax: 16 << 10, lifetime: .seconds(30)),
        "proof_announce": .init(trafficClass: .control, sizeMax: 512, lifetime: .seconds(30)),
        "proof": .init(trafficClass: .proof, sizeMax: 256 << 10, lifetime: .seconds(60)),
        "exec_output": .init(trafficClass: .block, sizeMax: 64 << 10, lifetime: .seconds(30)),
        "attestation_tee": .init(trafficClass: .block, sizeMax: 64 << 10, lifetime: .seconds(30)),
        "timeout_vote": .init(trafficClass: .vote, sizeMax: 256, lifetime: .seconds(12)),
        "evidence": .init(trafficClass: .control, sizeMax: 64 << 10, lifetime: .seconds(60)),
    ]

    /// Largest payload of a topic of ours, unpacked, by its short name.
    static func sizeMax(of name: String) -> Int { byName[name]?.uncompressedSizeMax ?? 0 }

    /// The kind of a topic, given its full name; nil for a topic that is not this network's.
    ///
    /// `subproof_vote_0` to `subproof_vote_63` are subnets of one kind.
    static func named(_ topic: String, of configuration: NodeConfiguration) -> TopicKind? {
        guard configuration.speaksChorale else { return nil }
        let parts = topic.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5 else { return nil }
        let name = String(parts[3])
        guard configuration.topic(name) == topic else { return nil }
        let subnet = "subproof_vote_"
        if name.hasPrefix(subnet), let number = UInt8(name.dropFirst(subnet.count)), number < 64 {
            return byName["subproof_vote"]
        }
        return name == "subproof_vote" ? nil : byName[name]
    }
}
