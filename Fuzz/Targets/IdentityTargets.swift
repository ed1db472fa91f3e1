import ChoraleBase
import Codec
import Crypto
import PeerIdentity

extension FuzzTarget {
    static let identityTargets: [FuzzTarget] = [
        FuzzTarget(
            "peer-id", "a peer id as bytes and text; survives both", sizeMax: 128,
            seeds: {
                Actors.peers.prefix(2).flatMap {
                    [Array($0.description.utf8), Array($0.cid.utf8), $0.multihash]
                }
            }, run: peerID),
        FuzzTarget(
            "public-key", "a public key's protobuf, of all four types; a wrong signature is wrong",
            sizeMax: 1300,
            seeds: {
                [
                    Actors.keys[0].publicKey.encoded,
                    IdentityKey(Actors.secp256k1).publicKey.encoded,
                ]
            }, run: publicKey),
        FuzzTarget(
            "private-key", "a private key's protobuf; survives a round trip", sizeMax: 512,
            seeds: {
                [Actors.keys[0], IdentityKey(Actors.secp256k1)].map { key in
                    key.protobuf.withSpan { $0.copied() }
                }
            }, run: privateKey),
        FuzzTarget(
            "peer-record", "a signed envelope with a peer record; limits kept",
            seeds: {
                [
                    Actors.peerRecord,
                    SignedEnvelope.seal([1, 2], kind: PeerRecord.kind, with: Actors.keys[0])
                        .encoded,
                ]
            }, run: peerRecord),
        FuzzTarget(
            "peer-record-content",
            "what a peer signed for its own record; limits kept", sizeMax: 2048,
            seeds: {
                var writer = ProtobufWriter()
                writer.bytes(1, Actors.peers[0].multihash)
                writer.varint(2, 9)
                for address in Actors.addresses {
                    let entry = writer.beginMessage(3)
                    writer.bytes(1, address.bytes)
                    writer.endMessage(entry)
                }
                return [writer.bytes]
            }, run: peerRecordContent),
        FuzzTarget(
            "node-record", "an Ethereum node record as bytes and text; canonical", sizeMax: 450,
            seeds: {
                guard let record = sampleRecord else { return [] }
                return [record.bytes, Array(record.text.utf8)]
            }, run: nodeRecord),
        FuzzTarget(
            "bootnodes", "a bootnode file in any of the five formats; limits kept",
            seeds: {
                let peer = Actors.peers[0]
                return [
                    "# comment\n/ip4/8.8.8.8/tcp/4001/p2p/\(peer)\n",
                    "[\"/ip4/8.8.8.8/tcp/4001/p2p/\(peer)\",\n \"\(sampleRecord?.text ?? "")\"]",
                    "- \(sampleRecord?.text ?? "")\n- \"/dns4/example.org/tcp/1/p2p/\(peer)\"\n",
                    "\(peer)@8.8.8.8:4001, \(peer)@[::1]:4001\n",
                    "{\"bootnodes\": [{\"peer\":\"\(peer)\",\"addrs\":[\"/ip4/1.2.3.4/tcp/1\"]}]}",
                ].map { Array($0.utf8) }
            }, run: bootnodes),
    ]

    static let sampleRecord: NodeRecord? = {
        var contents = NodeRecord.Contents()
        contents.ip = IPv4Address(8, 8, 8, 8)
        contents.tcp = 4001
        contents.udp = 4001
        contents.forkDigest = [1, 2, 3, 4]
        contents.isProver = true
        return try? NodeRecord(signing: contents, sequence: 3, with: Actors.secp256k1)
    }()

    private static func peerID(_ input: [UInt8], _ findings: inout Findings) {
        var peers: [PeerID] = []
        do throws(PeerID.DecodeError) {
            let peer = try PeerID(multihash: input)
            require(peer.multihash == input, "two encodings of one peer id")
            peers.append(peer)
        } catch {
            findings.note("peer id", error)
        }
        do throws(Multihash.PeerIDError) {
            peers.append(try PeerID(text: text(input)))
        } catch {
            findings.note("peer id text", error)
        }
        for peer in peers {
            require((try? PeerID(text: peer.description)) == peer, "text of another peer")
            require((try? PeerID(text: peer.cid)) == peer, "CID of another peer")
            require(peer.multihash.count <= PeerID.encodedSizeMax, "too long")
            do throws(KeyError) {
                if let key = try peer.inlinedKey() {
                    require(key.peerID == peer, "a key of another peer")
                }
                findings.note("peer id", "valid")
            } catch {
                findings.note("inlined key", error)
            }
        }
    }

    private static func publicKey(_ input: [UInt8], _ findings: inout Findings) {
        do throws(KeyError) {
            let key = try PublicKey(protobuf: input)
            require(try PublicKey(protobuf: key.encoded) == key, "another key")
            require(key.encoded.count <= PublicKey.encodedSizeMax, "a key over the limit")
            require(!key.verify(signature: input, message: [1, 2, 3]), "a signature by chance")
            require(!key.verify(signature: [], message: [1, 2, 3]), "an empty signature")
            findings.note("public key", key.type)
        } catch {
            findings.note("public key", error)
        }
    }

    private static func privateKey(_ input: [UInt8], _ findings: inout Findings) {
        do throws(KeyError) {
            let key = try IdentityKey(protobuf: SecretBytes(copying: input))
            require(try IdentityKey(protobuf: key.protobuf).peerID == key.peerID, "another key")
            findings.note("private key", key.publicKey.type)
        } catch {
            findings.note("private key", error)
        }
        do throws(KeyError) {
            let key = try IdentityKey.publicKey(ofProtobuf: SecretBytes(copying: input))
            findings.note("public half", key.type)
        } catch {
            findings.note("public half", error)
        }
    }

    private static func peerRecord(_ input: [UInt8], _ findings: inout Findings) {
        do throws(PeerRecord.OpenError) {
            let record = try PeerRecord.open(input)
            require(record.addresses.count <= PeerRecord.Limits().addressCountMax, "addresses")
            findings.note("peer record", size: record.addresses.count)
        } catch {
            findings.note("peer record", error)
        }
        do throws(SignedEnvelope.OpenError) {
            let envelope = try SignedEnvelope.open(input.span, kinds: [PeerRecord.kind])
            let again = try SignedEnvelope.open(envelope.encoded.span, kinds: [PeerRecord.kind])
            require(again == envelope, "another envelope")
        } catch {
            findings.note("envelope", error)
        }
    }

    private static func peerRecordContent(_ input: [UInt8], _ findings: inout Findings) {
        let envelope = SignedEnvelope.seal(input, kind: PeerRecord.kind, with: Actors.keys[0])
        do throws(PeerRecord.OpenError) {
            let record = try PeerRecord.open(envelope.encoded)
            require(record.peerID == Actors.peers[0], "a record of another peer")
            let limits = PeerRecord.Limits()
            require(record.addresses.count <= limits.addressCountMax, "too many addresses")
            require(
                record.addresses.reduce(0) { $0 + $1.bytes.count } <= limits.addressesSizeMax,
                "too long addresses")
            let again = try PeerRecord.open(record.seal(with: Actors.keys[0]).encoded)
            require(again.addresses == record.addresses, "other addresses")
            require(again.sequence == record.sequence, "another sequence number")
            findings.note("content", size: record.addresses.count)
            findings.note("dropped", size: record.droppedAddressCount)
        } catch {
            findings.note("content", error)
        }
    }

    private static func nodeRecord(_ input: [UInt8], _ findings: inout Findings) {
        var records: [NodeRecord] = []
        do throws(NodeRecord.RecordError) {
            let record = try NodeRecord(bytes: input.span)
            require(record.bytes == input, "two encodings of one record")
            records.append(record)
        } catch {
            findings.note("record", error)
        }
        do throws(NodeRecord.RecordError) {
            records.append(try NodeRecord(text: text(input)))
        } catch {
            findings.note("record text", error)
        }
        for record in records {
            require((try? NodeRecord(text: record.text)) == record, "text of another record")
            findings.note("record", size: record.pairs.count)
            findings.note("addresses", size: record.multiaddrs.count)
            _ = (record.peerID, record.nodeID, record.roles, record.isProver, record.forkDigest)
        }
    }

    private static func bootnodes(_ input: [UInt8], _ findings: inout Findings) {
        var limits = Bootnodes.Limits()
        limits.textSizeMax = 2048
        limits.nodeCountMax = 8
        limits.addressCountMax = 4
        let parsed = Bootnodes.parse(text(input), limits: limits)
        require(parsed.nodes.count <= limits.nodeCountMax, "too many nodes")
        for node in parsed.nodes {
            require(node.addresses.count <= limits.addressCountMax, "too many addresses")
        }
        for failure in parsed.failures.prefix(8) {
            findings.note("bootnodes", failure.reason)
            require(!failure.description.isEmpty, "a failure without words")
        }
        findings.note("bootnodes", size: parsed.nodes.count)
    }
}
