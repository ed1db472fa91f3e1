import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Execution
import PeerIdentity

/// A chain of four validators, and what it said in its first heights.
enum ChainActors {
    static let keys = (1...4).map { Ed25519.PrivateKey(seed: Actors.secret(0x60 + UInt8($0))) }
    static let keyBytes = keys.map {
        must(SigningKeyBytes(scheme: .ed25519, bytes: $0.publicKey.bytes))
    }
    static let digest = must(NetworkDigest(Actors.networkDigest))

    static let state: StateStore = {
        var alloc: [Address: StateStore.Entry] = [:]
        // The system contracts of Prague: they answer with nothing.
        for words in [
            UInt256(0, 0x0000_0961, 0xEF48_0EB5_5E80_D19A, 0xD835_79A6_4C00_7002),
            UInt256(0, 0x0000_BBDD, 0xC7CE_4886_42FB_579F, 0x8B00_F3A5_9000_7251),
            UInt256(0, 0x0000_F908, 0x27F1_C53A_10CB_7A02, 0x335B_1753_2000_2935),
            UInt256(0, 0x000F_3DF6, 0xD732_807E_F131_9FB7, 0xB8BB_8522_D0BE_AC02),
        ] {
            alloc[Address(words)] = .init(nonce: 1, code: [0x00])
        }
        do { return try StateStore(alloc) } catch { fatalError("a genesis state: \(error)") }
    }()

    static let parameters: ChainParameters = {
        ChainParameters(
            network: digest, genesisID: SHA256.hash([7]), genesisTime: Now.start.wall,
            genesisHeader: header, rules: .always(.prague, blobs: .prague, chainID: 7),
            validators: keyBytes.enumerated().map {
                RegisteredValidator(
                    key: $1, stake: 100, address: Address(UInt256(UInt64($0 + 1))))
            }, blockInterval: .seconds(1), epochLength: 4, gasLimitTarget: 30_000_000)
    }()

    private static let header: Header = {
        var writer = RLPWriter()
        let list = writer.beginList()
        writer.bytes(Bytes32.zero.bytes)
        writer.bytes(Header.emptyOmmersHash.bytes)
        writer.bytes([UInt8](repeating: 0, count: 20))
        writer.bytes(state.root.bytes)
        writer.bytes(Trie.emptyRoot.bytes)
        writer.bytes(Trie.emptyRoot.bytes)
        writer.bytes([UInt8](repeating: 0, count: Header.bloomSize))
        for number in [0, 0, 30_000_000, 0, UInt64(Now.start.wall.seconds)] {
            writer.integer(number)
        }
        writer.bytes([])
        writer.bytes(Bytes32.zero.bytes)
        writer.bytes([UInt8](repeating: 0, count: 8))
        writer.integer(1_000_000_000)
        writer.bytes(Trie.emptyRoot.bytes)
        writer.integer(0)
        writer.integer(0)
        writer.bytes(Bytes32.zero.bytes)
        writer.bytes(ExecutionRequests.hash([]).bytes)
        writer.endList(list)
        do { return try Header(writer.bytes.span) } catch { fatalError("a header: \(error)") }
    }()

    /// A store with the genesis alone.
    static func store() -> MemoryChainStore {
        let store = MemoryChainStore()
        store.add(codes: state.codes)
        do {
            try store.write(
                BlockProcessor<MemoryChainStore>.genesisWrite(
                    parameters,
                    state: MemoryChainStore.genesisState(state, header: parameters.genesisHeader)),
                sync: true)
        } catch { fatalError("a store: \(error)") }
        return store
    }

    /// What was said in the first heights of a network in which nothing is lost.
    struct Recording {
        /// On gossip, in order; not by validator 0, which speaks for itself.
        var gossip: [(topic: ChainTopic, bytes: [UInt8])] = []
        var proposed: [ProposedBlock] = []
        /// Of these, what validator 0 did not propose.
        var foreign: [ProposedBlock] = []
        /// By height, from 1 on.
        var blocks: [CommittedBlock] = []
    }

    static let recording: Recording = {
        var recording = Recording()
        let hosts = (0..<4).map { ChainHost(validator: $0) }
        var now = Now.start
        for (index, host) in hosts.enumerated() {
            host.give(.start(nil), now: now)
            for other in 0..<4 where other != index {
                host.give(
                    .peerConnected(
                        Actors.peers[other],
                        ChainStatus(height: 0, blockID: parameters.genesisID, earliest: 0)),
                    now: now)
            }
        }
        while recording.blocks.count < 6 {
            var isIdle = true
            for (index, host) in hosts.enumerated() {
                if host.doWork(now: now) { isIdle = false }
                for publication in host.takePublications() {
                    isIdle = false
                    if index != 0 { recording.gossip.append(publication) }
                    if publication.topic == .block,
                        let block = try? ProposedBlock(ssz: publication.bytes.span)
                    {
                        recording.proposed.append(block)
                        if index != 0 { recording.foreign.append(block) }
                    }
                    for (other, receiver) in hosts.enumerated() where other != index {
                        receiver.gossip(
                            publication.topic, publication.bytes, from: Actors.peers[index],
                            now: now)
                    }
                }
            }
            guard isIdle else { continue }
            if hosts[0].processor.head.height > recording.blocks.count {
                let answer = hosts[0].processor.perform(
                    .readBlocks(BlockServeID(0), from: 1, count: 64, sizeMax: 1 << 20))
                guard case .blocks(_, let encodings) = answer else { fatalError("no blocks") }
                recording.blocks = encodings.map { must(try? CommittedBlock(ssz: $0.span)) }
            }
            now.advance(.milliseconds(50))
            for host in hosts { host.give(.timeout, now: now) }
        }
        return recording
    }()
}
