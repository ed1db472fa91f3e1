public import ChoraleBase
public import ChoraleTypes
public import Codec
public import Consensus
public import Execution
public import Operations
import OrderedCollections

/// What the chain has come to: everything that the next block is measured by.
///
/// Written with each height in one batch with it, so that after a crash the chain goes on from a height
/// and everything that belongs to it.
public struct ChainHead: Hashable, Sendable {
    /// 0 is the genesis.
    public let height: UInt64
    public let blockID: Bytes32
    /// Of the consensus block.
    public let time: WallTime
    public let beacon: Beacon.Value
    /// Of the execution block.
    public let header: Header
    /// Why the block is final. nil for the genesis.
    public private(set) var commit: Commit?
    /// The set that voted on the block: what the commit's bits mean.
    public let validators: ValidatorSet
    /// The next height's set, and whose turn it is.
    public let rotation: ProposerRotation
    public let registry: ValidatorRegistry
    /// Operations that are open, and executors.
    public let operations: OperationRegistry
    /// The sets of the epoch before the present one, for evidence, and those of before that were asked about an
    /// operation that is open: each with the first height that it voted on, ascending.
    public let history: [ValidatorEra]
    /// Most sets.
    static let historyMax = 16

    /// A set and since when it votes.
    public struct ValidatorEra: Hashable, Sendable {
        public let first: UInt64
        public let validators: ValidatorSet
    }

    /// The genesis.
    public init(_ parameters: ChainParameters) throws(ValidatorSet.ListError) {
        let registry = ValidatorRegistry(parameters.validators)
        let validators = try ValidatorSet(
            parameters.validators.map { Validator(key: $0.key, stake: $0.stake) })
        height = 0
        blockID = parameters.genesisID
        time = parameters.genesisTime
        beacon = Beacon.genesis(network: parameters.network, genesisID: parameters.genesisID)
        header = parameters.genesisHeader
        commit = nil
        self.validators = validators
        rotation = ProposerRotation(validators: validators)
        self.registry = registry
        operations = OperationRegistry(
            enclaves: EnclaveRegistry(allowed: parameters.operations.enclaves?.allowed ?? []))
        history = [ValidatorEra(first: 1, validators: validators)]
    }

    /// The head after a block.
    ///
    /// - Parameters:
    ///   - header: of the block's execution.
    ///   - requests: of its execution.
    ///   - step: what the block does to operations, with the bonds that are due and whom it has evidence against.
    init(
        after parent: ChainHead, _ block: ConsensusBlock, header: Header, requests: [[UInt8]],
        _ step: OperationStep, commit: Commit, _ parameters: ChainParameters
    ) {
        let operations = step.outcome
        height = block.header.height
        blockID = block.id
        time = block.header.time
        beacon = block.header.beaconValue
        self.header = header
        self.commit = commit
        validators = parent.rotation.validators
        let next = parent.nextValidators(parameters)
        rotation = parent.rotation.next(validators: next)
        var registry = parent.registry
        registry.paid(at: height)
        for piece in block.body.evidence {
            if let culprit = parent.validators(at: piece.height)?[piece.validator] {
                registry.slash(culprit.key)
            }
        }
        for key in step.slashed { registry.slash(key) }
        registry.apply(
            requests, network: parameters.network, due: height + parameters.withdrawalDelay)
        registry.pay(operations.payments)
        self.registry = registry
        self.operations = operations.registry
        var history = parent.history
        if next != parent.rotation.validators {
            history.append(ValidatorEra(first: height + 1, validators: next))
        }
        // Evidence is taken as far back as this, and votes on parts as far as their operations are open.
        var oldest = height + 1 - min(height + 1, parameters.evidenceAgeMax)
        for operation in operations.registry.operations.values {
            oldest = min(oldest, operation.commitment?.height ?? oldest)
        }
        while history.count > 1, history[1].first <= oldest || history.count > Self.historyMax {
            history.removeFirst()
        }
        self.history = history
    }

    /// The set that votes on the height after the next.
    func nextValidators(_ parameters: ChainParameters) -> ValidatorSet {
        let current = rotation.validators
        guard (height + 1).isMultiple(of: parameters.epochLength) else { return current }
        return registry.validators(stakeMin: parameters.stakeMin, current: current)
    }

    /// The set of a height not above the next; nil when it is too long ago.
    public func validators(at height: UInt64) -> ValidatorSet? {
        history.last { $0.first <= height }?.validators
    }

    /// What a checkpoint's value covers: everything but why the block is final, which may be the signatures of
    /// some here and of others there.
    var checkpointRoot: Bytes32 {
        var content = self
        content.commit = nil
        return content.hashTreeRoot
    }

    /// What consensus must know to agree on the next block.
    func context(_ parameters: ChainParameters) -> HeightContext {
        HeightContext(
            height: height + 1, rotation: rotation, nextValidators: nextValidators(parameters),
            parent: commit.map { ParentCommit(commit: $0, validators: validators) })
    }

    /// What the next block is checked by, but for its payload.
    func check(_ parameters: ChainParameters) -> BlockCheck {
        let history = history
        return BlockCheck(
            network: parameters.network, context: context(parameters), parentID: blockID,
            parentTime: time, previousBeacon: beacon,
            nextValidatorsRoot: nextValidators(parameters).root,
            evidenceAgeMax: parameters.evidenceAgeMax,
            pastValidators: { height in history.last { $0.first <= height }?.validators })
    }
}

extension Beacon {
    /// 32 bytes.
    public typealias Value = Bytes32
}

extension ChainHead.ValidatorEra: SSZContainer {
    public static let sszLayout = SSZLayout(UInt64.self, ValidatorSet.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(first)
        fields.visit(validators)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        first = try fields.next(in: input)
        validators = try fields.next(in: input)
    }
}

extension RegisteredValidator: SSZContainer {
    public static let sszLayout = SSZLayout(Validator.self, SSZByteVector<20>.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let address = SSZByteVector<20>(address.storage.span.copied()) else {
            preconditionFailure("an address has 20 bytes")
        }
        fields.visit(Validator(key: key, stake: stake))
        fields.visit(address)
        fields.visit(number)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let validator = try fields.next(Validator.self, in: input)
        let address = try fields.next(SSZByteVector<20>.self, in: input).bytes
        guard let address = Address(address.span) else {
            throw .invalidValue("an address of \(address.count) bytes")
        }
        self.init(key: validator.key, stake: validator.stake, address: address)
        number = try fields.next(in: input)
    }
}

extension StakePayment: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZList<SSZByteVector<32>, 1>.self, UInt64.self, SSZByteVector<20>.self, UInt64.self,
        UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let address = SSZByteVector<20>(address.storage.span.copied()),
            let keys = SSZList<SSZByteVector<32>, 1>(
                [key].compactMap { $0 }.compactMap { SSZByteVector<32>($0.bytes) })
        else { preconditionFailure("a key has 32 bytes, an address 20") }
        fields.visit(keys)
        fields.visit(number)
        fields.visit(address)
        fields.visit(amount)
        fields.visit(due)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let keys = try fields.next(SSZList<SSZByteVector<32>, 1>.self, in: input)
        number = try fields.next(in: input)
        let address = try fields.next(SSZByteVector<20>.self, in: input).bytes
        amount = try fields.next(in: input)
        due = try fields.next(in: input)
        key = keys.elements.first.flatMap {
            SigningKeyBytes(scheme: .ed25519, bytes: $0.bytes)
        }
        guard let address = Address(address.span) else {
            throw .invalidValue("an address of \(address.count) bytes")
        }
        self.address = address
    }
}

extension ValidatorRegistry: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZList<RegisteredValidator, 4096>.self, SSZList<SSZByteVector<32>, 1024>.self,
        SSZList<StakePayment, 8192>.self, UInt64.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let entries = SSZList<RegisteredValidator, 4096>(Array(entries.values)),
            let slashed = SSZList<SSZByteVector<32>, 1024>(
                slashed.compactMap { SSZByteVector<32>($0.bytes) }),
            let payments = SSZList<StakePayment, 8192>(payments)
        else { preconditionFailure("a registry keeps to its limits") }
        fields.visit(entries)
        fields.visit(slashed)
        fields.visit(payments)
        fields.visit(paidCount)
        fields.visit(registeredCount)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let entries = try fields.next(SSZList<RegisteredValidator, 4096>.self, in: input)
        let slashed = try fields.next(SSZList<SSZByteVector<32>, 1024>.self, in: input)
        let payments = try fields.next(SSZList<StakePayment, 8192>.self, in: input)
        let paidCount = try fields.next(UInt64.self, in: input)
        let registeredCount = try fields.next(UInt64.self, in: input)
        self.init(
            entries.elements,
            slashed: slashed.elements.compactMap {
                SigningKeyBytes(scheme: .ed25519, bytes: $0.bytes)
            }, payments: payments.elements, paidCount: paidCount,
            registeredCount: registeredCount)
        guard self.entries.count == entries.elements.count,
            self.slashed.count == slashed.elements.count
        else { throw .invalidValue("a validator is registered or slashed twice") }
    }
}

extension ChainHead: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt64.self, Bytes32.self, UInt64.self, Bytes32.self, SSZByteList<4096>.self,
        SSZList<Commit, 1>.self, ValidatorSet.self, ValidatorSet.self,
        SSZList<UInt64, 1024>.self, ValidatorRegistry.self, OperationRegistry.self,
        SSZList<ValidatorEra, 16>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let header = SSZByteList<4096>(header.encoded),
            let commit = SSZList<Commit, 1>(commit.map { [$0] } ?? []),
            let priorities = SSZList<UInt64, 1024>(
                rotation.priorities.map { UInt64(bitPattern: $0) }),
            let history = SSZList<ValidatorEra, 16>(history)
        else { preconditionFailure("a head keeps to its limits") }
        fields.visit(height)
        fields.visit(blockID)
        fields.visit(UInt64(bitPattern: time.milliseconds))
        fields.visit(beacon)
        fields.visit(header)
        fields.visit(commit)
        fields.visit(validators)
        fields.visit(rotation.validators)
        fields.visit(priorities)
        fields.visit(registry)
        fields.visit(operations)
        fields.visit(history)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        height = try fields.next(in: input)
        blockID = try fields.next(in: input)
        time = WallTime(
            milliseconds: Int64(bitPattern: try fields.next(UInt64.self, in: input)))
        beacon = try fields.next(in: input)
        let header = try fields.next(SSZByteList<4096>.self, in: input).bytes
        commit = try fields.next(SSZList<Commit, 1>.self, in: input).elements.first
        validators = try fields.next(in: input)
        let next = try fields.next(ValidatorSet.self, in: input)
        let priorities = try fields.next(SSZList<UInt64, 1024>.self, in: input)
        registry = try fields.next(in: input)
        operations = try fields.next(in: input)
        history = try fields.next(SSZList<ValidatorEra, 16>.self, in: input).elements
        do throws(RLPError) {
            self.header = try Header(header.span)
        } catch {
            throw .invalidValue("an execution header: \(error)")
        }
        do throws(ProposerRotation.PriorityError) {
            rotation = try ProposerRotation(
                validators: next,
                priorities: priorities.elements.map { Int64(bitPattern: $0) })
        } catch {
            throw .invalidValue("priorities: \(error)")
        }
        guard !history.isEmpty, commit.map({ $0.height == height }) ?? (height == 0),
            commit.map({ $0.signers.count == validators.count }) ?? true
        else { throw .invalidValue("a head at \(height)") }
    }
}
