import ChoraleBase
import Codec
import JSONRPC
import Node
import PeerIdentity
import Swarm
import TransactionPool

/// How replies look in JSON. Names of members are stable; durations are in milliseconds.
enum ReplyJSON {
    /// - Parameter geth: whether the method is one of geth's, which have their own forms.
    static func value(of reply: Reply, geth: Bool) throws(RPCError) -> JSONValue {
        switch reply {
        case .nodeInfo(let info): return .object(info.json)
        case .peers(let peers):
            return .array(peers.map { .object(geth ? gethObject($0) : object($0)) })
        case .added: return .bool(true)
        case .removed(let existed): return .bool(existed)
        case .mesh(let topics): return .array(topics.map { .object(object($0)) })
        case .scores(let scores): return .array(scores.map { .object(object($0)) })
        case .scoreExplanation(let score): return .object(object(score))
        case .dht(let info): return .object(object(info))
        case .limits(let limits):
            return .array(
                limits.map { limit in
                    .object([
                        "name": .string(limit.name), "use": JSONValue(limit.use),
                        "limit": JSONValue(limit.limit), "refused": JSONValue(limit.refused),
                    ])
                })
        case .counters(let counters):
            var object = JSONObject()
            for counter in counters { object[counter.name] = JSONValue(counter.value) }
            return .object(object)
        case .published(let receipt):
            return .object([
                "id": .string(Hex.encode(receipt.id)), "topic": .string(receipt.topic),
                "queuedTo": JSONValue(receipt.queuedTo),
                "announcedTo": JSONValue(receipt.announcedTo),
            ])
        case .subscribed(let topic): return .object(["topic": .string(topic)])
        case .message(let message): return .object(object(message))
        case .dhtStored(let count, let of):
            return .object(["acknowledged": JSONValue(count), "of": JSONValue(of)])
        case .dhtValue(let value, let agreeing, let answered):
            return .object([
                "base64": .string(Base64.encode(value)), "size": JSONValue(value.count),
                "agreeing": JSONValue(agreeing), "answered": JSONValue(answered),
            ])
        case .dhtProvided(let sent, let of):
            return .object(["sent": JSONValue(sent), "of": JSONValue(of)])
        case .dhtProviders(let peers): return .array(peers.map { .object(object($0)) })
        case .dhtPeer(let peer, let confirmed):
            var found = object(peer)
            found["confirmed"] = .bool(confirmed)
            return .object(found)
        case .prover(let info): return .object(object(info))
        case .pinged(let sequence, let peer, let roundTrip):
            return .object([
                "peer": .string("\(peer)"), "sequence": JSONValue(sequence),
                "roundTripMs": milliseconds(roundTrip),
            ])
        case .perf(let info):
            return .object([
                "uploaded": JSONValue(info.uploaded), "uploadMs": milliseconds(info.uploadTime),
                "downloaded": JSONValue(info.downloaded),
                "downloadMs": milliseconds(info.downloadTime),
            ])
        case .bodyPublished(let body), .bodyCompleted(let body): return .object(object(body))
        case .bodies(let bodies): return .array(bodies.map { .object(object($0)) })
        case .bodyChunk(let index, let count, let bytes):
            return .object([
                "index": JSONValue(index), "of": JSONValue(count), "size": JSONValue(bytes.count),
                "base64": .string(Base64.encode(bytes)),
            ])
        case .event(let event): return .object(event.json)
        case .chain(let info): return .object(object(info))
        case .validations(let reports):
            // Whoever wrote them wrote JSON; a row that is damaged is left out.
            return .array(reports.compactMap { try? JSONValue(parsing: $0.text) })
        case .transaction(.success(let hash)): return .string("0x\(hash)")
        case .transaction(.failure(let rejection)):
            throw RPCError(CommandFailure(.refused, "\(rejection)"))
        case .pooled(let entry): return entry.map { .string("0x\($0.hash)") } ?? .null
        case .pendingNonce(let nonce): return nonce.map { JSONValue($0) } ?? .null
        case .operations(let operations):
            return .array(operations.map { .object(summary($0)) })
        case .operation(let info): return .object(object(info))
        case .assignments(let parts): return .array(parts.map { .object(object($0)) })
        case .proofs(let info): return .object(object(info))
        case .backedUp(let directory): return .object(["directory": .string(directory)])
        case .done: return .null
        case .failed(let failure): throw RPCError(failure)
        }
    }

    /// The result of a method that gathers: round trips, or the chunks of a body.
    static func value(gathering replies: [Reply]) throws(RPCError) -> JSONValue {
        var peer: PeerID?
        var roundTrips: [JSONValue] = []
        var chunks: [JSONValue] = []
        var size = 0
        for reply in replies {
            switch reply {
            case .bodyChunk(_, _, let bytes):
                chunks.append(try value(of: reply, geth: false))
                size += bytes.count
            case .pinged(_, let id, let roundTrip):
                peer = id
                roundTrips.append(milliseconds(roundTrip))
            case .failed(let failure): throw RPCError(failure)
            default: break
            }
        }
        guard chunks.isEmpty else {
            return .object(["size": JSONValue(size), "chunks": .array(chunks)])
        }
        return .object([
            "peer": JSONValue(peer?.description), "roundTripsMs": .array(roundTrips),
        ])
    }

    static func milliseconds(_ duration: Duration) -> JSONValue {
        // Microseconds are what clocks here are good for, and floats print short.
        .number(Double(duration.wholeNanoseconds / 1000) / 1000)
    }

    static func texts(_ values: [some CustomStringConvertible]) -> JSONValue {
        .array(values.map { .string($0.description) })
    }
}

extension ReplyJSON {
    private static func gethObject(_ peer: PeerInfo) -> JSONObject {
        [
            "id": .string("\(peer.peer)"),
            "name": .string(peer.agentVersion),
            "caps": JSONValue(peer.protocols),
            "network": .object([
                "localAddress": JSONValue(peer.localAddress?.text),
                "remoteAddress": .string(peer.remoteAddress.text),
                "inbound": .bool(peer.direction == .inbound),
                "trusted": .bool(peer.isTrusted),
                "static": .bool(peer.isTrusted),
            ]),
            "protocols": .object([
                "chorale": .object([
                    "score": .number(peer.score), "topics": JSONValue(peer.topics),
                ])
            ]),
        ]
    }

    private static func object(_ peer: PeerInfo) -> JSONObject {
        [
            "id": .string("\(peer.peer)"),
            "agent": .string(peer.agentVersion),
            "direction": .string(peer.direction.rawValue),
            "localAddress": JSONValue(peer.localAddress?.text),
            "remoteAddress": .string(peer.remoteAddress.text),
            "connectedForMs": JSONValue(peer.connectedFor.wholeMilliseconds),
            "roundTripMs": peer.roundTrip.map(milliseconds) ?? .null,
            "handshakeRoundTrips": JSONValue(peer.handshakeRoundTrips),
            "bytesReceived": JSONValue(peer.bytesReceived),
            "bytesSent": JSONValue(peer.bytesSent),
            "streams": JSONValue(peer.streams),
            "gossip": JSONValue(peer.gossipVersion),
            "topics": JSONValue(peer.topics),
            "score": .number(peer.score),
            "holds": JSONValue(peer.holds),
            "protocols": JSONValue(peer.protocols),
        ]
    }

    private static func object(_ topic: MeshInfo) -> JSONObject {
        [
            "topic": .string(topic.topic), "subscribed": .bool(topic.isSubscribed),
            "mesh": texts(topic.mesh), "fanout": texts(topic.fanout),
            "subscribers": JSONValue(topic.subscribers),
        ]
    }

    private static func object(_ score: ScoreInfo) -> JSONObject {
        [
            "peer": .string("\(score.peer)"),
            "score": .number(score.score),
            "components": .array(
                score.components.map { component in
                    .object([
                        "name": .string(component.name), "topic": JSONValue(component.topic),
                        "points": .number(component.points),
                    ])
                }),
            "movements": .array(
                score.movements.map { movement in
                    .object([
                        "agoMs": JSONValue(movement.ago.wholeMilliseconds),
                        "cause": .string(movement.cause), "topic": JSONValue(movement.topic),
                        "amount": .number(movement.amount),
                    ])
                }),
        ]
    }

    private static func object(_ info: DHTInfo) -> JSONObject {
        [
            "mode": .string(info.mode),
            "peerCount": JSONValue(info.peerCount),
            "recordCount": JSONValue(info.recordCount),
            "recordBytes": JSONValue(info.recordBytes),
            "providerCount": JSONValue(info.providerCount),
            "runningQueries": JSONValue(info.runningQueries),
            "buckets": .array(
                info.buckets.map { bucket in
                    .object(["index": JSONValue(bucket.index), "peers": texts(bucket.peers)])
                }),
        ]
    }

    private static func object(_ message: GossipMessageInfo) -> JSONObject {
        [
            "topic": .string(message.topic), "id": .string(Hex.encode(message.id)),
            "from": .string("\(message.from)"), "author": JSONValue(message.author?.description),
            "size": JSONValue(message.data.count), "base64": .string(Base64.encode(message.data)),
        ]
    }

    private static func object(_ peer: PeerAddressInfo) -> JSONObject {
        ["id": .string("\(peer.peer)"), "addresses": texts(peer.addresses)]
    }

    private static func object(_ prover: ProverInfo) -> JSONObject {
        [
            "publicKey": .string(Hex.encode(prover.publicKey)),
            "key": .string(Hex.encode(prover.key)),
            "sequence": JSONValue(prover.sequence),
            "expires": JSONValue(prover.expires.seconds),
            "addresses": texts(prover.addresses),
            "acknowledged": JSONValue(prover.acknowledged), "of": JSONValue(prover.of),
        ]
    }

    private static func object(_ body: BodyInfo) -> JSONObject {
        [
            "root": .string("\(body.root)"), "kind": .string(body.kind),
            "size": JSONValue(body.size), "chunkCount": JSONValue(body.chunkCount),
            "chunksHeld": JSONValue(body.chunksHeld), "isComplete": .bool(body.isComplete),
            "sources": texts(body.sources), "elapsedMs": milliseconds(body.elapsed),
            "bytesServed": JSONValue(body.bytesServed),
        ]
    }
}
