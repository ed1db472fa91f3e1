import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity

extension FuzzTarget {
    static let containerTargets: [FuzzTarget] = [
        FuzzTarget(
            "ssz-requests",
            "status, metadata, ping, goodbye, chunk and announcement requests; canonical SSZ",
            seeds: {
                [
                    [0]
                        + Status(
                            networkDigest: Actors.network, roles: 3, capabilities: .servesChunks
                        ).sszEncoded(),
                    [1] + Metadata(sequence: 5, roles: 1, capabilities: .servesChunks).sszEncoded(),
                    [2] + PingSequence(rawValue: 77).sszEncoded(),
                    [3] + Goodbye.banned.sszEncoded(),
                    [4]
                        + must(
                            ChunksByRootRequest(
                                root: .zero, indices: [0, 3, 9],
                                held: ChunkBitmap(repeating: true, count: 10))
                        ).sszEncoded(),
                    [5] + must(AnnouncementsRequest(known: [.zero, .zero])).sszEncoded(),
                ]
            }, run: sszRequests),
        FuzzTarget(
            "ssz-bodies", "announcements, manifests, chunks and chunk responses; canonical SSZ",
            seeds: {
                let built = sampleBody
                let held = ChunkBitmap(repeating: true, count: built.chunks.count)
                return [
                    [0] + built.announcement.sszEncoded(),
                    [1]
                        + BodyManifest(
                            announcement: built.announcement, received: Now.start.wall, held: held,
                            isOwn: true
                        ).sszEncoded(),
                    [2] + built.chunks[0].sszEncoded(),
                    [3]
                        + ChunkResponse(
                            root: built.announcement.root, index: 1, chunk: built.chunks[1],
                            held: held
                        ).sszEncoded(),
                ]
            }, run: sszBodies),
        FuzzTarget(
            "announcement", "a body announcement as gossip carries it; never accepted by chance",
            sizeMax: 2048,
            seeds: { [AnnouncementCheck.compressed(sampleBody.announcement)] }, run: announcement),
        FuzzTarget(
            "prover-record", "a prover identity record: canonical SSZ, and the rules",
            sizeMax: 1100,
            seeds: { [Actors.proverRecord] }, run: proverRecord),
    ]

    /// Three chunks of the smallest size.
    static let sampleBody: BodyBuilder.Built = {
        do {
            return try BodyBuilder(
                [UInt8](repeating: 0x5A, count: 2500), kind: .witness, height: 4,
                issued: Now.start.wall, identity: Actors.keys[0],
                networkDigest: Actors.networkDigest, chunkSize: BodyShape.chunkSizeMin
            ).run()
        } catch { fatalError("a body within its limits: \(error)") }
    }()

    /// What is decoded has one encoding.
    static func canonical<Value: SSZCodable & Equatable>(
        _ type: Value.Type, _ input: [UInt8], _ findings: inout Findings, _ scope: StaticString
    ) {
        do throws(SSZError) {
            let value = try Value(ssz: input.span)
            let encoded = value.sszEncoded()
            require(encoded == input, "\(type): \(Hex.encode(encoded)) is the same value")
            _ = value.hashTreeRoot
            findings.note(scope, "valid")
        } catch {
            findings.note(scope, error)
        }
    }

    private static func sszRequests(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        switch (input.first ?? 0) % 6 {
        case 0: canonical(Status.self, bytes, &findings, "status")
        case 1: canonical(Metadata.self, bytes, &findings, "metadata")
        case 2: canonical(PingSequence.self, bytes, &findings, "ping")
        case 3: canonical(Goodbye.self, bytes, &findings, "goodbye")
        case 4: canonical(ChunksByRootRequest.self, bytes, &findings, "chunks by root")
        default: canonical(AnnouncementsRequest.self, bytes, &findings, "announcements")
        }
    }

    private static func sszBodies(_ input: [UInt8], _ findings: inout Findings) {
        let bytes = Array(input.dropFirst())
        switch (input.first ?? 0) % 4 {
        case 0: canonical(BodyAnnouncement.self, bytes, &findings, "announcement")
        case 1: canonical(BodyManifest.self, bytes, &findings, "manifest")
        case 2: canonical(StoredChunk.self, bytes, &findings, "chunk")
        default:
            canonical(ChunkResponse.self, bytes, &findings, "chunk response")
            guard let response = try? ChunkResponse(ssz: bytes.span), response.hasChunk else {
                return
            }
            let check = ChunkCheck(
                root: sampleBody.announcement.root, index: Int(response.index),
                chunk: response.chunk)
            let isTrue =
                Int(response.index) < sampleBody.chunks.count
                && sampleBody.chunks[Int(response.index)] == response.chunk
            // A proof may come in one form only, so that a stored chunk has one encoding.
            require(check.run() == isTrue, "a chunk that is none of the body's is verified")
        }
    }

    private static func announcement(_ input: [UInt8], _ findings: inout Findings) {
        let check = AnnouncementCheck(
            compressed: input, policy: AnnouncementPolicy(networkDigest: Actors.networkDigest))
        let verdict = check.run(wall: Now.start.wall)
        findings.note("announcement", verdict)
        if case .accept(let announcement) = verdict {
            // The signature is part of the message and Ed25519's are unique, so only other
            // compressions of the same bytes pass.
            require(
                announcement == sampleBody.announcement, "an announcement that nobody signed")
        }
    }

    private static func proverRecord(_ input: [UInt8], _ findings: inout Findings) {
        canonical(ProverIdentityRecord.self, input, &findings, "prover record")
        let rules = ProverIdentityRules(network: Actors.network, allowsPrivateAddresses: true)
        guard let record = try? ProverIdentityRules.decode(input) else { return }
        do throws(ProverIdentityError) {
            _ = try rules.validate(input, key: record.content.recordKey, wall: Now.start.wall)
            require(input == Actors.proverRecord, "a record that nobody signed")
        } catch {
            findings.note("rules", error)
        }
    }
}
