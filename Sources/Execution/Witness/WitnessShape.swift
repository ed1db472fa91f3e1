public import ChoraleBase
import Crypto

/// What a witness consists of: how much of it belongs to whom, and how much of it was used.
public struct WitnessShape: Hashable, Sendable {
    public struct Amount: Hashable, Sendable {
        public var count = 0
        /// In bytes.
        public var size = 0
        /// Of them, those that execution needed; zero without a block.
        public var usedCount = 0
        public var usedSize = 0

        public init() {}

        mutating func add(_ size: Int, isUsed: Bool) {
            count += 1
            self.size += size
            if isUsed {
                usedCount += 1
                usedSize += size
            }
        }

        public static func + (lhs: Self, rhs: Self) -> Self {
            var sum = lhs
            sum.count += rhs.count
            sum.size += rhs.size
            sum.usedCount += rhs.usedCount
            sum.usedSize += rhs.usedSize
            return sum
        }
    }

    public struct AccountShape: Hashable, Sendable {
        /// Hash of the address, by which the account trie has it.
        public var key: Bytes32
        /// nil when the block did not touch the account, or there was no block.
        public var address: Address?
        /// Nodes from the account trie's root to the account's leaf, both counted.
        public var depth = 0
        /// Nodes of its storage. What it shares with an account before it is counted there.
        public var storage = Amount()
        /// Most nodes on a way from its storage's root, the root counted.
        public var storageDepth = 0
        /// Its code. One that several accounts have is counted for the first that the block touched.
        public var code = Amount()

        /// Bytes of its storage and its code.
        public var size: Int { storage.size + code.size }
    }

    public var headers = Amount()
    /// Nodes of the account trie.
    public var accountNodes = Amount()
    /// Nodes of all storage.
    public var storageNodes = Amount()
    public var codes = Amount()
    /// Nodes that are in no trie of the state.
    public var strayNodes = Amount()
    /// Entries that stand earlier in the witness too; they are in no other amount.
    public var repeated = Amount()
    /// Those with leaves in the witness, the largest first.
    public var accounts: [AccountShape] = []

    public var total: Amount {
        headers + accountNodes + storageNodes + codes + strayNodes + repeated
    }

    /// Nodes on the longest way from the account trie's root, the root counted.
    public var accountDepth = 0

    /// - Parameter subject: the block, to tell what was used and whose is what. Without, the newest header
    ///   has the state's root.
    public init(_ witness: Witness, _ subject: WitnessLint.Subject? = nil) {
        let hashes = WitnessHashes(witness)
        let trace = StatelessTrace()
        if let subject {
            // Whether the block is valid is not asked here: what was touched before it failed counts.
            _ = try? subject.execution.verdict(
                subject.block, size: subject.size, witness, senders: nil, watch: trace)
        }
        let root = trace.parent?.stateRoot ?? witness.newestHeader?.stateRoot ?? Trie.emptyRoot
        let walk = WitnessWalk(witness, hashes: hashes.nodes, root: root)
        var names: [Bytes32: Address] = [:]
        for address in trace.questions?.addresses ?? [] {
            names[Keccak256.hash(address.storage.span)] = address
        }
        accounts = walk.leaves.map {
            AccountShape(key: $0.key, address: names[$0.key], depth: $0.depth + 1)
        }
        addNodes(witness, hashes.nodes, walk, trace.state?.resolvedNodes ?? [])
        addCodes(witness, hashes.codes, walk, trace.state?.resolvedCodes ?? [])
        addHeaders(witness, trace)
        accounts.sort { ($1.size, $0.key) < ($0.size, $1.key) }
    }

    private mutating func addNodes(
        _ witness: Witness, _ hashes: [Bytes32], _ walk: WitnessWalk, _ used: Set<Bytes32>
    ) {
        for (index, range) in witness.nodes.enumerated() {
            let isUsed = used.contains(hashes[index])
            guard walk.positions[hashes[index]] == index else {
                repeated.add(range.count, isUsed: false)
                continue
            }
            guard let visit = walk.visits[index] else {
                strayNodes.add(range.count, isUsed: isUsed)
                continue
            }
            guard visit.owner >= 0 else {
                accountNodes.add(range.count, isUsed: isUsed)
                accountDepth = max(accountDepth, visit.depth + 1)
                continue
            }
            storageNodes.add(range.count, isUsed: isUsed)
            accounts[visit.owner].storage.add(range.count, isUsed: isUsed)
            accounts[visit.owner].storageDepth = max(
                accounts[visit.owner].storageDepth, visit.depth + 1)
        }
    }

    private mutating func addCodes(
        _ witness: Witness, _ hashes: [Bytes32], _ walk: WitnessWalk, _ used: Set<Bytes32>
    ) {
        var holders: [Bytes32: Int] = [:]
        for (index, leaf) in walk.leaves.enumerated() {
            let held = holders[leaf.account.codeHash]
            if held.map({ accounts[$0].address == nil && accounts[index].address != nil }) ?? true {
                holders[leaf.account.codeHash] = index
            }
        }
        var seen: Set<Bytes32> = []
        for (index, range) in witness.codes.enumerated() {
            let isUsed = used.contains(hashes[index])
            guard seen.insert(hashes[index]).inserted else {
                repeated.add(range.count, isUsed: false)
                continue
            }
            codes.add(range.count, isUsed: isUsed)
            if let holder = holders[hashes[index]] {
                accounts[holder].code.add(range.count, isUsed: isUsed)
            }
        }
    }

    private mutating func addHeaders(_ witness: Witness, _ trace: StatelessTrace) {
        let oldest = trace.parent.map { min(trace.state?.oldestBlockHash ?? .max, $0.number) }
        for (number, range) in zip(witness.headerNumbers, witness.headers) {
            let isUsed = number.flatMap { number in oldest.map { number >= $0 } } ?? false
            headers.add(range.count, isUsed: isUsed)
        }
    }
}

extension Witness {
    /// The header with the highest number; nil when none is one.
    var newestHeader: Header? {
        let bytes = bytes.span
        return headers.compactMap { try? Header(bytes.extracting($0)) }.max {
            $0.number < $1.number
        }
    }
}
