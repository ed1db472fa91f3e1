import Chain
import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import ExecutorAgent
import Gossipsub
import OrderedCollections
import PartVerification
import PeerIdentity
import RequestResponse
import Swarm
import Yamux

/// Bodies: announcements on the gossip topic, chunks over requests, rows in the store.
extension Node {
    // MARK: Announcements

    mutating func announcementChecked(
        _ handle: Gossipsub.MessageHandle, _ verdict: AnnouncementVerdict, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let source = announcementSources.removeValue(forKey: handle)
        switch verdict {
        case .accept(let announcement):
            // What this node would not take in, for want of room or because its producer exceeds its
            // budget, it does not pass on either.
            if let refusal = bodies.admission(of: announcement, from: source, now: now),
                refusal != .known
            {
                counters.announcementsIgnored += 1
                tellGossip(.validated(handle, .ignore), now: now, into: &outputs)
                // Gossip has seen it and brings it no more, so the machine remembers whom to ask.
                tellBodies(.announced(announcement, from: source), now: now, into: &outputs)
                return
            }
            // Relayed before the body is there: whoever hears of it may find another holder.
            tellGossip(.validated(handle, .accept), now: now, into: &outputs)
            let description = announcement.description
            outputs.append(
                .event(
                    .bodyAnnounced(
                        root: announcement.root, kind: description.kind.description,
                        size: announcement.shape.size)))
            tellBodies(.announced(announcement, from: source), now: now, into: &outputs)
        case .reject:
            counters.announcementsRejected += 1
            tellGossip(.validated(handle, .reject), now: now, into: &outputs)
        case .ignore:
            counters.announcementsIgnored += 1
            tellGossip(.validated(handle, .ignore), now: now, into: &outputs)
        }
    }

    /// What a peer told us of because we missed it was checked.
    mutating func offeredAnnouncementChecked(
        _ id: Bodies.JobID, _ verdict: AnnouncementVerdict, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        if case .accept(let announcement) = verdict,
            bodies.admission(of: announcement, now: now) == nil
        {
            outputs.append(
                .event(
                    .bodyAnnounced(
                        root: announcement.root, kind: announcement.description.kind.description,
                        size: announcement.shape.size)))
        }
        tellBodies(.announcementVerified(id, verdict), now: now, into: &outputs)
    }

    // MARK: Publishing

    mutating func publishBody(
        _ kind: String, _ bytes: [UInt8], _ command: CommandID, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        guard let kind = BodyKind(name: kind) else {
            let names = BodyKind.named.map(\.name).joined(separator: ", ")
            let text = "no body kind is called `\(kind)`: use one of \(names)"
            finish(command, .failed(.init(.invalidArgument, text)), into: &outputs)
            return
        }
        // Each is in memory as it came and as it is built, and then on its way to the store.
        guard bodyBuildCount < configuration.limits.bodies.publicationsMax else {
            let text = "\(bodyBuildCount) bodies are being cut and hashed; try again"
            finish(command, .failed(.init(.overloaded, text)), into: &outputs)
            return
        }
        do throws(BodyBuilder.BuildError) {
            let builder = try BodyBuilder(
                bytes, kind: kind, issued: now.wall, identity: configuration.identity,
                networkDigest: configuration.networkDigest)
            bodyBuildCount += 1
            outputs.append(.run(.buildBody(command, builder)))
        } catch {
            let text =
                switch error {
                case .empty: "the body is empty"
                case .tooLarge(let size, let limit):
                    "the body has \(size) bytes and the limit is \(limit)"
                }
            finish(command, .failed(.init(.invalidArgument, text)), into: &outputs)
        }
    }

    mutating func bodyBuilt(
        _ command: CommandID, _ built: BodyBuilder.Built, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        bodyBuildCount -= 1
        tellBodies(
            .publish(Bodies.PublishID(command.rawValue), built), now: now, into: &outputs)
    }

    // MARK: Outputs

    mutating func perform(
        _ output: Bodies.Output, now: Now, into outputs: inout [NodeOutput]
    ) {
        switch output {
        case .announce(let announcement):
            var options = Gossipsub.PublishOptions()
            options.allowsNoPeers = true
            tellGossip(
                .publish(
                    commands.publication(of: nil), announcementTopic,
                    data: AnnouncementCheck.compressed(announcement), options),
                now: now, into: &outputs)
        case .request(let id, let peer, let request, let deadline):
            requestChunks(id, peer, request, deadline: deadline, now: now, into: &outputs)
        case .requestAnnouncements(let id, let peer, let request, _):
            requestAnnouncements(id, peer, request, now: now, into: &outputs)
        case .cancel(let id):
            cancelChunkRequest(id, now: now, into: &outputs)
        case .verifyChunk(let id, let check):
            outputs.append(.run(.chunk(id, check)))
        case .checkAnnouncement(let id, let announcement):
            let check = AnnouncementCheck(
                announcement, policy: configuration.missedAnnouncementPolicy)
            outputs.append(.run(.offeredAnnouncement(id, check)))
        case .offer(let id, let announcements):
            respondAnnouncements(id, announcements, now: now, into: &outputs)
        case .respond(let id, let response):
            respondChunk(id, response, now: now, into: &outputs)
        case .respondEnd(let id):
            endChunkResponse(id, now: now, into: &outputs)
        case .refuse(let id, let code, let text):
            refuseChunks(id, code: code, text: text, now: now, into: &outputs)
        case .store(let id, let request):
            store(request, for: .bodies(id), into: &outputs)
        case .published(let id, let root):
            let command = CommandID(id.rawValue)
            if let info = bodyInfos(now: now).first(where: { $0.root == root }) {
                finish(command, .bodyPublished(info), into: &outputs)
            } else {
                finish(command, .done, into: &outputs)
            }
        case .publishRefused(let id, let refusal):
            let failure: CommandFailure =
                switch refusal {
                case .store(let reason): .init(.unavailable, "\(reason)")
                case .storeFull:
                    .init(.unavailable, "the database takes no bodies at the moment; try again")
                case .loading:
                    .init(.unavailable, "the database is still being read; try again")
                case .publishing:
                    .init(.overloaded, "other bodies are on their way to the disk; try again")
                default: .init(.refused, "the body was not taken: \(refusal)")
                }
            finish(CommandID(id.rawValue), .failed(failure), into: &outputs)
        case .chunkRead(let id, let result):
            bodyChunkRead(id, result, now: now, into: &outputs)
        case .completed(let announcement, let sources, let elapsed):
            bodyCompleted(announcement, sources, elapsed, now: now, into: &outputs)
        case .progress:
            break
        case .failed(let root, let reason):
            outputs.append(.event(.bodyFailed(root: root, reason: "\(reason)")))
        case .penalize(let peer, let fault):
            outputs.append(.event(.peerFault(peer, "body: \(fault)")))
            tellGossip(.behaviourPenalty(peer, 5), now: now, into: &outputs)
        case .event:
            break
        }
    }

    private mutating func bodyCompleted(
        _ announcement: BodyAnnouncement, _ sources: [PeerID], _ elapsed: Duration, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        let kind = announcement.description.kind.description
        outputs.append(
            .event(
                .bodyCompleted(
                    root: announcement.root, kind: kind, size: announcement.shape.size,
                    sources: sources.count, elapsed: elapsed)))
        tellChain(.bodyArrived(root: announcement.root), now: now, into: &outputs)
        tellParts(.bodyArrived(root: announcement.root), now: now, into: &outputs)
        tellExecutor(.bodyArrived(root: announcement.root), now: now, into: &outputs)
        let watchers = commands.bodyWatchers
        guard !watchers.isEmpty,
            let info = bodyInfos(now: now).first(where: { $0.root == announcement.root })
        else { return }
        for command in watchers {
            outputs.append(.reply(command, .bodyCompleted(info), isLast: false))
        }
    }

    func bodyInfos(now: Now) -> [BodyInfo] {
        bodies.snapshot(now: now).bodies.map { body in
            BodyInfo(
                root: body.root, kind: body.kind.description, size: body.size,
                chunkCount: body.chunkCount, chunksHeld: body.chunksHeld,
                isComplete: body.isComplete, sources: body.sources.map(\.peer),
                elapsed: body.elapsed, bytesServed: body.bytesServed)
        }
    }

    // MARK: Reading

    /// Gives a whole held body to a command, chunk by chunk, the next one asked for only when the
    /// last one was given.
    mutating func readBody(
        _ root: Bytes32, _ command: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let info = bodyInfos(now: now).first(where: { $0.root == root && $0.isComplete })
        else {
            finish(
                command, .failed(.init(.notFound, "no complete body \(root) is held")),
                into: &outputs)
            return
        }
        commands[command] = .bodyRead(root: root, next: 0, count: info.chunkCount)
        tellBodies(
            .read(Bodies.ReadID(command.rawValue), root: root, index: 0), now: now, into: &outputs)
    }

    private mutating func bodyChunkRead(
        _ id: Bodies.ReadID, _ result: Bodies.ReadResult, now: Now,
        into outputs: inout [NodeOutput]
    ) {
        if readerChunkRead(id, result, now: now, into: &outputs) { return }
        let command = CommandID(id.rawValue)
        guard case .bodyRead(let root, let index, let count) = commands[command] else { return }
        switch result {
        case .chunk(let bytes):
            let reply = Reply.bodyChunk(index: index, of: count, bytes: bytes)
            guard index + 1 < count else {
                finish(command, reply, into: &outputs)
                return
            }
            outputs.append(.reply(command, reply, isLast: false))
            commands[command] = .bodyRead(root: root, next: index + 1, count: count)
            tellBodies(.read(id, root: root, index: index + 1), now: now, into: &outputs)
        case .absent:
            finish(
                command,
                .failed(.init(.notFound, "chunk \(index) of \(root) is not held any more")),
                into: &outputs)
        case .failed(let failure):
            finish(command, .failed(.init(.unavailable, "\(failure)")), into: &outputs)
        case .overloaded:
            finish(
                command, .failed(.init(.overloaded, "too many reads are waiting; try again")),
                into: &outputs)
        }
    }
}
