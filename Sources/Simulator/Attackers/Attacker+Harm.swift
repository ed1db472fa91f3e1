import ChoraleBase
import Codec
import Connection
import Node
import PeerIdentity
import Swarm
import Yamux

/// What each kind of attacker sends.
extension Attacker {
    /// The connection is there.
    func begin(_ link: Link, now: Now, into outputs: inout [NodeOutput]) {
        switch kind {
        case .subscriptions, .control, .invalidMessages, .announcements, .garbage:
            link.gossip = open("/meshsub/1.1.0", link, now: now)
            send(rpc { $0.subscribe([topic, announcementTopic]) }, link)
            send(rpc { $0.control { $0.graft(topic) } }, link)
        case .streams, .records:
            break
        case .slowReader:
            outputs.append(.pauseReading(link.id))
        }
    }

    func harm(_ link: Link, now: Now, into outputs: inout [NodeOutput]) {
        switch kind {
        case .subscriptions:
            for _ in 0..<4 {
                let topics = (0..<100).map { _ in Hex.encode(random.bytes(count: 24)) }
                send(rpc { $0.subscribe(topics) }, link)
            }
        case .control:
            let ids = (0..<500).map { _ in random.bytes(count: 20) }
            send(rpc { $0.control { $0.ihave(topic, ids) } }, link)
            send(rpc { $0.control { $0.iwant(ids) } }, link)
            for _ in 0..<5 { send(rpc { $0.control { $0.graft(topic) } }, link) }
        case .invalidMessages:
            for _ in 0..<5 {
                let data = random.bytes(count: 256)
                let signature = random.bytes(count: 64)
                send(
                    rpc { $0.message(topic, data, author: peer.multihash, signature: signature) },
                    link)
            }
        case .announcements:
            for _ in 0..<5 {
                let data = random.bytes(count: 512)
                send(rpc { $0.message(announcementTopic, data) }, link)
            }
        case .streams:
            // Only a stream whose opening was sent is worth resetting.
            for stream in link.opened { link.machine?.reset(stream, code: .noError) }
            link.opened = []
            for _ in 0..<100 {
                guard let stream = open("/ipfs/ping/1.0.0", link, now: now) else { return }
                link.opened.append(stream)
            }
        case .records:
            putRecords(link, now: now)
        case .garbage:
            send(VarintFrame.encoded(random.bytes(count: 600)), link)
        case .slowReader:
            for _ in 0..<20 {
                guard let stream = open(kademliaProtocol, link, now: now) else { return }
                let key = random.bytes(count: 34)
                write(kademlia(4) { $0.bytes(2, key) }, to: stream, link)
            }
        }
    }

    private func putRecords(_ link: Link, now: Now) {
        for _ in 0..<15 {
            guard let stream = open(kademliaProtocol, link, now: now) else { return }
            let key = Array("/prover/".utf8) + random.bytes(count: 32)
            let value = random.bytes(count: 300)
            let put = kademlia(0) { writer in
                writer.bytes(2, key)
                let record = writer.beginMessage(3)
                writer.bytes(1, key)
                writer.bytes(2, value)
                writer.endMessage(record)
            }
            write(put, to: stream, link)
            for _ in 0..<3 {
                let target = [0x12, 0x20] + random.bytes(count: 32)
                let provide = kademlia(2) { writer in
                    writer.bytes(2, target)
                    let provider = writer.beginMessage(9)
                    writer.bytes(1, peer.multihash)
                    writer.bytes(2, link.target.address.bytes)
                    writer.endMessage(provider)
                }
                write(provide, to: stream, link)
            }
            link.machine?.closeWrite(stream)
        }
    }

    // MARK: Streams

    private func open(_ protocolID: String, _ link: Link, now: Now) -> StreamID? {
        do throws(Connection.OpenError) {
            return try link.machine?.openStream([protocolID], class: .block, now: now.instant)
        } catch {
            return nil
        }
    }

    private func write(_ bytes: [UInt8], to stream: StreamID, _ link: Link) {
        // What has no room is not sent: the victim is slower than the attack.
        try? link.machine?.write(stream, bytes)
    }

    private func send(_ bytes: [UInt8], _ link: Link) {
        if let stream = link.gossip { write(bytes, to: stream, link) }
    }

    // MARK: Messages

    private func rpc(_ fill: (inout HostileRPC) -> Void) -> [UInt8] {
        var message = HostileRPC()
        fill(&message)
        return VarintFrame.encoded(message.writer.bytes)
    }

    private func kademlia(_ type: UInt64, _ fill: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.varint(1, type)
        fill(&writer)
        return VarintFrame.encoded(writer.bytes)
    }
}

/// A gossipsub RPC with whatever an attacker wants in it. No limit applies.
struct HostileRPC {
    var writer = ProtobufWriter()

    mutating func subscribe(_ topics: [String]) {
        for topic in topics {
            let entry = writer.beginMessage(1)
            writer.bool(1, true)
            writer.string(2, topic)
            writer.endMessage(entry)
        }
    }

    mutating func message(
        _ topic: String, _ data: [UInt8], author: [UInt8]? = nil, signature: [UInt8]? = nil
    ) {
        let entry = writer.beginMessage(2)
        if let author { writer.bytes(1, author) }
        writer.bytes(2, data)
        writer.string(4, topic)
        if let signature { writer.bytes(5, signature) }
        writer.endMessage(entry)
    }

    mutating func control(_ fill: (inout HostileControl) -> Void) {
        var control = HostileControl()
        fill(&control)
        writer.bytes(3, control.writer.bytes)
    }
}

struct HostileControl {
    var writer = ProtobufWriter()

    mutating func ihave(_ topic: String, _ ids: [[UInt8]]) {
        let entry = writer.beginMessage(1)
        writer.string(1, topic)
        for id in ids { writer.bytes(2, id) }
        writer.endMessage(entry)
    }

    mutating func iwant(_ ids: [[UInt8]]) {
        let entry = writer.beginMessage(2)
        for id in ids { writer.bytes(1, id) }
        writer.endMessage(entry)
    }

    mutating func graft(_ topic: String) {
        let entry = writer.beginMessage(3)
        writer.string(1, topic)
        writer.endMessage(entry)
    }
}
