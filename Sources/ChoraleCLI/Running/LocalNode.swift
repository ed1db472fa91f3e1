import ChoraleBase
import Crypto
import DriverUV
import Node
import NodeHost
import PeerIdentity
import Swarm

/// A node that lives for one command: nothing is listened on, stored or announced.
enum LocalNode {
    /// Carries out one command and hands over each reply as it comes.
    ///
    /// - Parameter patience: for the whole of it; then the command fails.
    static func perform(
        _ command: Command, patience: Duration,
        reply: (Reply) throws(Failure) -> Void
    ) throws(Failure) {
        let loop = try makeLoop()
        defer { loop.close() }
        let host = try makeHost(loop)
        defer { host.close() }
        var replies: [Reply] = []
        var isOver = false
        host.onReply = { _, reply, isLast in
            replies.append(reply)
            isOver = isOver || isLast
        }
        host.start()
        host.perform(command, as: CommandID(1))
        let deadline = loop.now.advanced(by: patience)
        repeat {
            let isInTime = loop.run(
                until: { isOver || !replies.isEmpty }, patience: loop.now.duration(to: deadline))
            guard isInTime else {
                throw Failure("no answer within \(patience.components.seconds) s")
            }
            for answer in replies {
                if case .failed(let failure) = answer { throw Failure(failure.message) }
                try reply(answer)
            }
            replies = []
        } while !isOver
        // A peer should see an end in good order rather than a reset.
        var isStopped = false
        host.onStopped = { isStopped = true }
        host.stop()
        _ = loop.run(until: { isStopped }, patience: .seconds(1))
    }

    private static func makeLoop() throws(Failure) -> EventLoop {
        do throws(SystemError) {
            return try EventLoop()
        } catch {
            throw Failure("cannot create an event loop: \(error)")
        }
    }

    private static func makeHost(_ loop: EventLoop) throws(Failure) -> NodeHost {
        // Whoever types an address means it, private or not.
        var configuration = NodeConfiguration(
            identity: IdentityKey(Ed25519.PrivateKey.random()),
            noiseStaticKey: .random(count: 32), networkDigest: RunSettings.developmentDigest,
            addressPolicy: .local, seed: SystemRandom.seed())
        configuration.speaksChorale = false
        configuration.servesPerf = false
        configuration.agentVersion = Version.agent
        do throws(SystemError) {
            return try NodeHost(loop: loop, configuration: configuration, store: nil)
        } catch {
            throw Failure("cannot start a node: \(error)")
        }
    }
}
