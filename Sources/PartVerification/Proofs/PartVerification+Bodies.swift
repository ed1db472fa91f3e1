import ChoraleBase
import ChoraleTypes
import Codec
import OperationKinds
import Operations
import OrderedCollections

/// Bodies of operations whose proofs are verified here: input, model and output, read one after the other and
/// prepared once.
extension PartVerification {
    /// Goes on with an operation's bodies, when the pool wants one of its proofs.
    mutating func gather(_ name: Bytes32, _ outputs: inout [PartOutput]) {
        guard let operation = watched[name] else { return }
        switch operation.preparation {
        case .idle:
            guard let kind = KnownKind(operation.kind), let content = operation.content else {
                return unsupported(name, "a kind that is not known here", &outputs)
            }
            guard operation.request.inputSize > 0 else {
                return unsupported(name, "no input", &outputs)
            }
            let bodies = kind.bodies(of: operation.request, content)
            guard operation.request.inputSize <= bodies.inputSizeMax else {
                return unsupported(
                    name, "an input of \(operation.request.inputSize) bytes", &outputs)
            }
            read(name, bodies, &outputs)
        case .gathering(let bodies, isReading: false): read(name, bodies, &outputs)
        case .gathering(_, isReading: true), .working, .ready, .unsupported, .faulty: break
        }
    }

    private mutating func read(
        _ name: Bytes32, _ bodies: KindBodies, _ outputs: inout [PartOutput]
    ) {
        guard let root = bodies.nextRoot else {
            preconditionFailure("what is complete is not gathered")
        }
        let isHeld =
            bodies.isNextLarge
            && watched.values.count { $0.preparation.isHeavy } >= configuration.limits.preparingMax
        watched[name]?.preparation = .gathering(bodies, isReading: !isHeld)
        guard !isHeld, bodiesRead.insert(root).inserted else { return }
        outputs.append(.readBody(root: root))
    }

    mutating func bodyArrived(_ root: Bytes32, _ outputs: inout [PartOutput]) {
        for (name, operation) in watched {
            guard case .gathering(let bodies, isReading: false) = operation.preparation,
                bodies.nextRoot == root
            else { continue }
            read(name, bodies, &outputs)
        }
    }

    mutating func bodyRead(
        _ root: Bytes32, _ body: [UInt8]?, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        guard bodiesRead.remove(root) != nil else { return }
        for (name, operation) in watched {
            guard case .gathering(var bodies, isReading: true) = operation.preparation,
                bodies.nextRoot == root
            else { continue }
            if let body {
                do throws(KindFault) {
                    try bodies.take(body)
                    if bodies.nextRoot != nil {
                        read(name, bodies, &outputs)
                    } else {
                        watched[name]?.preparation = .working
                        run(
                            .prepare(name, commitment: operation.committed.root, bodies), &outputs)
                    }
                } catch {
                    judge(name, error, &outputs)
                }
            } else {
                watched[name]?.preparation = .gathering(bodies, isReading: false)
            }
            proceed(name, now, &outputs)
        }
    }

    mutating func finishedPreparing(
        _ name: Bytes32, _ commitment: Bytes32,
        _ result: Result<PreparedOperation, KindFault>, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        guard let operation = watched[name], operation.committed.root == commitment,
            case .working = operation.preparation
        else { return }
        switch result {
        case .success(let ready):
            watched[name]?.preparation = .ready(ready, size: ready.size)
            prepared.append(name)
            evict()
        case .failure(let fault): judge(name, fault, &outputs)
        }
        proceed(name, now, &outputs)
    }

    /// The least used give way. They are prepared again when they are wanted.
    private mutating func evict() {
        func size(_ name: Bytes32) -> UInt64 {
            if case .ready(_, let size)? = watched[name]?.preparation { size } else { 0 }
        }
        var total = prepared.reduce(0) { $0 + size($1) }
        // Those whose proofs are on their way stay: there are no more of them than of proofs at once.
        let used = Set(pulls.values.map(\.operation))
        for name in prepared where !used.contains(name) && name != prepared.last {
            guard
                prepared.count > configuration.limits.preparedMax
                    || total > configuration.limits.preparedSizeMax
            else { return }
            prepared.remove(name)
            total -= size(name)
            watched[name]?.preparation = .idle
        }
    }

    /// Of what the executor says that is wrong, everything is wrong. Of what the requester says, nothing is said.
    private mutating func judge(
        _ name: Bytes32, _ fault: KindFault, _ outputs: inout [PartOutput]
    ) {
        guard fault.isOfCommitment else { return unsupported(name, "\(fault)", &outputs) }
        watched[name]?.preparation = .faulty(.brokenChain)
        outputs.append(.event(.unverifiable(operation: name, "a commitment with \(fault)")))
    }

    private mutating func unsupported(
        _ name: Bytes32, _ reason: String, _ outputs: inout [PartOutput]
    ) {
        watched[name]?.preparation = .unsupported
        outputs.append(.event(.unverifiable(operation: name, reason)))
    }
}
