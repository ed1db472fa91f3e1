import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import Gossipsub
import Identify
import Kademlia
import Multistream
import Noise
import OrderedCollections
import PeerIdentity
import Ping
import RequestResponse
import Swarm
import Yamux

/// The prover identity record: published, kept alive, and found.
extension Node {
    mutating func publishProverIdentity(
        _ command: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let key = configuration.identity.ed25519 else {
            let text = "this node's key is not Ed25519: create one with `chorale key generate`"
            finish(command, .failed(.init(.unavailable, text)), into: &outputs)
            return
        }
        guard let record = proverRecord(key, now: now) else {
            let text = "this node has no address that others can reach; give --external-address"
            finish(command, .failed(.init(.unavailable, text)), into: &outputs)
            return
        }
        proverRecords[record.content.recordKey] = record
        let query = requests.query(.prover(command))
        tellKademlia(
            .command(
                query,
                .putValue(
                    key: record.content.recordKey, value: record.sszEncoded(), republish: true)),
            now: now, into: &outputs)
    }

    private func proverRecord(_ key: Ed25519.PrivateKey, now: Now) -> ProverIdentityRecord? {
        let addresses = announcedAddresses.filter { $0.bytes.count <= 128 }.prefix(4)
        guard !addresses.isEmpty else { return nil }
        let seconds = UInt64(clamping: now.wall.seconds)
        let content = ProverIdentityContent(
            network: configuration.networkDigestVector, proverKey: key.publicKey,
            subject: .epoch(0), position: 0,
            addresses: SSZList(addresses.compactMap { SSZByteList<128>($0.bytes) }) ?? SSZList(),
            sequence: UInt64(clamping: now.wall.milliseconds), issued: seconds,
            expiry: seconds + UInt64(configuration.limits.proverRecordLife.components.seconds))
        return content.signed(with: key)
    }

    /// A third of the record's life is over: the same record, newer and signed again.
    mutating func renew(
        key: [UInt8], previous: [UInt8], now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let identity = configuration.identity.ed25519,
            let record = proverRecords[key] ?? earlierProverRecord(previous, key: key, identity)
        else {
            tellKademlia(.renewed(key: key, value: nil), now: now, into: &outputs)
            return
        }
        let fresh =
            proverRecord(identity, now: now).map { candidate in
                candidate.content.sequence > record.content.sequence ? candidate : nil
            }?
            .flatMap { $0 }
            ?? record.renewed(
                with: identity, now: now.wall, life: configuration.limits.proverRecordLife)
        proverRecords[key] = fresh
        tellKademlia(.renewed(key: key, value: fresh.sszEncoded()), now: now, into: &outputs)
    }

    /// A record that an earlier run of this node published, which the store kept.
    ///
    /// - Returns: nil when it is not ours to sign: another key's, or for another network.
    private func earlierProverRecord(
        _ value: [UInt8], key: [UInt8], _ identity: Ed25519.PrivateKey
    ) -> ProverIdentityRecord? {
        guard let record = try? ProverIdentityRules.decode(value),
            record.content.proverKey.bytes == identity.publicKey.bytes,
            record.content.network == configuration.networkDigestVector,
            record.content.recordKey == key
        else { return nil }
        return record
    }

    mutating func proverPublished(
        _ command: CommandID?, _ result: Kademlia.QueryResult, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let command else { return }
        guard case .stored(let acknowledged, let of) = result,
            let record = proverRecords.values.first
        else {
            finish(command, Self.reply(to: result), into: &outputs)
            return
        }
        finish(
            command, .prover(Self.info(record, acknowledged: acknowledged, of: of)), into: &outputs)
    }

    mutating func findProver(
        _ publicKey: [UInt8], _ command: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let key = Bytes32(publicKey) else {
            let text = "a prover's public key has 32 bytes, not \(publicKey.count)"
            finish(command, .failed(.init(.invalidArgument, text)), into: &outputs)
            return
        }
        let recordKey = ProverIdentityContent.recordKey(
            network: configuration.networkDigestVector, proverKey: key)
        let query = requests.query(.proverSearch(command))
        tellKademlia(
            .command(query, .getValue(key: recordKey, quorum: nil)), now: now, into: &outputs)
    }

    mutating func proverFound(
        _ command: CommandID, _ result: Kademlia.QueryResult, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard case .value(let found) = result,
            let record = try? ProverIdentityRules.decode(found.value)
        else {
            finish(command, Self.reply(to: result), into: &outputs)
            return
        }
        finish(
            command, .prover(Self.info(record, acknowledged: found.agreeing, of: found.answered)),
            into: &outputs)
    }

    private static func info(
        _ record: ProverIdentityRecord, acknowledged: Int, of: Int
    ) -> ProverInfo {
        let content = record.content
        return ProverInfo(
            key: content.recordKey, publicKey: content.proverKey.bytes, sequence: content.sequence,
            expires: WallTime(milliseconds: Int64(clamping: content.expiry) &* 1000),
            addresses: content.addresses.elements.compactMap { try? Multiaddr(bytes: $0.bytes) },
            acknowledged: acknowledged, of: of)
    }
}
