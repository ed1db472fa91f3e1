import ChoraleBase
import OrderedCollections
import PeerIdentity
import ChoraleTypes
import Codec

/// What the logs of the operations contract change.
extension OperationRegistry.Outcome {
    mutating func take(
        _ log: ContractLog, at height: UInt64, _ parameters: OperationParameters
    ) throws(OperationFault) {
        let event: ContractEvent
        do throws(ContractLogError) {
            event = try ContractEvent(log)
        } catch {
            throw .log(error)
        }
        switch event {
        case .requested(let request): add(request, at: height, parameters)
        case .settled(let event):
            guard registry.settlement(of: event.operation)?.event == event else {
                throw .settlement(event.operation)
            }
            registry.operations.removeValue(forKey: event.operation)
            changes.append(.settled(event.operation))
        // It was forgotten when its time was over.
        case .expired, .owed: break
        case .executorRegistered(let registration):
            register(registration, at: height, parameters)
        case .executorExit(let key, let from): exit(key, from, at: height, parameters)
        }
    }

    // MARK: Requests

    private mutating func add(
        _ request: OperationRequest, at height: UInt64, _ parameters: OperationParameters
    ) {
        let name = request.operation
        if let reason = refusal(of: request, at: height, parameters) {
            changes.append(.ignored(name, reason))
            return
        }
        if registry.operations.count >= OperationRegistry.openMax {
            guard let least = leastPaying(), least.fee < request.fee else {
                changes.append(.ignored(name, .full))
                return
            }
            registry.operations.removeValue(forKey: least.operation)
            changes.append(.ignored(least.operation, .outbid))
        }
        registry.operations[name] = OpenOperation(request, height: height)
        changes.append(.requested(name))
    }

    private func refusal(
        of request: OperationRequest, at height: UInt64, _ parameters: OperationParameters
    ) -> OperationChange.IgnoredReason? {
        guard let kind = parameters.kind(request.kind) else { return .unknownKind(request.kind) }
        guard request.inputSize <= kind.inputSizeMax, request.fee >= kind.feeMin,
            request.expiry >= height, request.expiry - height >= kind.ttlMin,
            request.expiry - height <= kind.ttlMax,
            // Names are hashes of who and how often; one that is here cannot come again.
            registry.operations[request.operation] == nil
        else { return .kindLimits }
        let own = registry.operations.values.count { $0.request.requester == request.requester }
        guard own < OperationRegistry.openOfRequesterMax else { return .requesterHasTooMany }
        return nil
    }

    /// Of those nobody has committed to, the one with the lowest fee; of several the youngest. What an executor has worked for stays.
    private func leastPaying() -> OperationRequest? {
        var least: OperationRequest?
        for operation in registry.operations.values where operation.status == .requested {
            if least.map({ operation.request.fee <= $0.fee }) ?? true { least = operation.request }
        }
        return least
    }

    // MARK: Executors

    private mutating func register(
        _ registration: ExecutorRegistration, at height: UInt64, _ parameters: OperationParameters
    ) {
        let message = registration.message
        guard let record = record(after: registration, parameters) else {
            pay(
                BondPayment(
                    key: nil, recipient: message.recipient, amount: message.amount,
                    due: height + parameters.bondDelay))
            changes.append(.executorRefused(message.key))
            return
        }
        registry.executors[message.key] = record
        changes.append(.executorJoined(message.key))
    }

    /// The executor with what the registration adds, or nil when it registers nothing.
    private func record(
        after registration: ExecutorRegistration, _ parameters: OperationParameters
    ) -> ExecutorRecord? {
        let message = registration.message
        guard !registry.slashed.contains(message.key),
            SigningKeyBytes(scheme: .ed25519, bytes: message.key.bytes)?.publicKey != nil,
            message.amount <= OperationRegistry.bondMax,
            registration.isSigned(network: parameters.network)
        else { return nil }
        guard var record = registry.executors[message.key] else {
            guard registry.executors.count < OperationRegistry.executorsMax,
                message.amount >= parameters.bondMin
            else { return nil }
            return ExecutorRecord(
                key: message.key, recipient: message.recipient, bond: message.amount,
                capabilities: message.capabilities)
        }
        let (bond, overflow) = record.bond.addingReportingOverflow(message.amount)
        guard !overflow, bond <= OperationRegistry.bondMax, record.recipient == message.recipient
        else { return nil }
        record.bond = bond
        record.capabilities = message.capabilities
        return record
    }

    private mutating func exit(
        _ key: Bytes32, _ from: ExecutionAddress, at height: UInt64,
        _ parameters: OperationParameters
    ) {
        guard let record = registry.executors[key], record.recipient == from,
            registry.payments.count < OperationRegistry.paymentsMax
        else { return }
        registry.executors.removeValue(forKey: key)
        pay(
            BondPayment(
                key: key, recipient: record.recipient, amount: record.bond,
                due: height + parameters.bondDelay))
        changes.append(.executorLeft(key))
    }

    /// Bounded; each has an ether behind it, locked for the delay.
    private mutating func pay(_ payment: BondPayment) {
        guard registry.payments.count < OperationRegistry.paymentsMax else { return }
        registry.payments.append(payment)
    }
}
