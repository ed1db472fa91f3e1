import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

@testable import Kademlia

@Suite struct NetworkTests {
    /// 100 nodes, of whom three are dead without anybody knowing.
    @Test(arguments: Seeds.few)
    func hundredNodesFindWhatTheyStore(seed: UInt64) {
        let network = TestNetwork.formed(100, seed: seed)
        var random = DeterministicRandom(seed: seed)
        for dead in [97, 98, 99] { network.kill(dead) }

        var attempts = 0
        var failures: [String] = []
        func expect(_ name: String, _ result: Kademlia.QueryResult?, _ isRight: Bool) {
            attempts += 1
            if !isRight { failures.append("\(name): \(String(describing: result))") }
        }
        for round in 0..<20 {
            let (writer, reader) = (random.below(97), random.below(97))
            let key = network.key(round)
            let value = random.bytes(count: 100)

            let put = network.execute(
                writer, .putValue(key: key, value: value, republish: false))
            if case .stored = put { expect("put", put, true) } else { expect("put", put, false) }

            let get = network.execute(reader, .getValue(key: key, quorum: nil))
            if case .value(let found) = get {
                expect("get", get, found.value == value)
            } else {
                expect("get", get, false)
            }

            let provide = network.execute(writer, .provide(key: key))
            if case .provided = provide {
                expect("provide", provide, true)
            } else {
                expect("provide", provide, false)
            }
            network.run(for: .seconds(1))

            if reader != writer {
                let search = network.execute(reader, .findProviders(key: key, count: 1))
                if case .providers(let found) = search {
                    expect("providers", search, found.map(\.peer) == [network.nodes[writer].peer])
                } else {
                    expect("providers", search, false)
                }

                let find = network.execute(reader, .findPeer(network.nodes[writer].peer))
                if case .peer(let found, confirmed: true) = find {
                    expect("find", find, found.addresses == [network.nodes[writer].address])
                } else {
                    expect("find", find, false)
                }
            }
        }
        // 99.5 % of about 100 is every one.
        #expect(failures.isEmpty, "\(attempts) attempts")
        for node in network.nodes where node.isAlive { expectBalance(node.machine) }

        for round in 0..<5 {
            let key = network.key(1000 + round)
            let target = KeyPoint(key: key)
            let asker = round * 7
            let truth = network.nodes.indices.filter { $0 != asker && network.nodes[$0].isAlive }
                .map { network.nodes[$0].peer }
                .sorted {
                    KeyPoint(key: $0.multihash).distance(to: target)
                        < KeyPoint(key: $1.multihash).distance(to: target)
                }
                .prefix(20)
            guard
                case .closestPeers(let found, complete: true) = network.execute(
                    asker, .getClosestPeers(key: key))
            else {
                Issue.record("the lookup did not end")
                continue
            }
            let right = found.filter { truth.contains($0.peer) }.count
            #expect(right >= 19, "round \(round): \(right) of 20")
        }
    }

    @Test func oneSeedGivesOneHistory() {
        let first = TestNetwork.formed(12, seed: 11)
        let second = TestNetwork.formed(12, seed: 11)
        let third = TestNetwork.formed(12, seed: 12)
        #expect(first.trace == second.trace)
        #expect(first.trace != third.trace)
    }
}

/// Every total adds up (invariant 3).
func expectBalance(_ machine: borrowing Kademlia) {
    let counters = machine.counters
    let snapshot = machine.snapshot(
        now: Now(instant: .zero, wall: WallTime(milliseconds: 0)))
    let received = counters.requestsReceived
    let dealtWith =
        counters.requestsAnswered + counters.requestsAcknowledged + counters.refusals.total
        + counters.requestsCancelled + UInt64(snapshot.putsInValidation)
    #expect(received == dealtWith)

    let sent = counters.requestsSent
    let ended =
        counters.answersReceived + counters.requestsFailed + counters.requestsWithdrawn
        + UInt64(snapshot.requestsInFlight)
    #expect(sent == ended)

    let started = counters.queriesStarted
    let commands = machine.refreshRound?.commands.count ?? 0
    let over =
        counters.queriesSucceeded + counters.queriesFailed
        + UInt64(machine.queries.count + commands)
    #expect(started == over)

    let validations = counters.validationsStarted
    let judged =
        counters.validationsAnswered + counters.validationsGivenUp
        + UInt64(snapshot.validationsInFlight)
    #expect(validations == judged)
}
